"""Explanations: when something goes, by which rule, and what happened to it so far."""
