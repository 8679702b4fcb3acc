"""Bringing existing files into the service: directories, old runs and their archives."""
