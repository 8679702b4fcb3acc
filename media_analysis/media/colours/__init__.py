"""Colours as files tell them, and how they become those of a screen."""
