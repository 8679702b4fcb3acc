"""Owns media files from upload to deletion."""
