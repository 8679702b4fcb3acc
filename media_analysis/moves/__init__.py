"""Stores that move: copied while they are served, switched in a moment, emptied when somebody says so."""
