"""Deletions: what sweeps took, taking that back, and what stays of each deleted file."""
