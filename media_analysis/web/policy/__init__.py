"""The policy: what is in force, what another one would do, plans and pauses."""
