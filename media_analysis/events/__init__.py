"""The log of what happens to files and jobs: triggers write it, and everybody who tells of it reads it."""
