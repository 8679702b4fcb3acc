"""Rows and objects held against each other, and trees of objects imported."""
