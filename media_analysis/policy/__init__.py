"""The policy: what of each category is kept and for how long, and the one decision everything asks."""
