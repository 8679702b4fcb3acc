"""Pressure: what is over its high-water mark is relieved by early deletion of what may go."""
