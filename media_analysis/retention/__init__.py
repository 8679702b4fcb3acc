"""Retention: what is due, why, and the one deleter."""
