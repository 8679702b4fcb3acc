"""Files: what is stored, found by what it is, and what is done with many at once."""
