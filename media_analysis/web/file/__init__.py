"""A file: what it shows, what it is, why it stays and when it goes."""
