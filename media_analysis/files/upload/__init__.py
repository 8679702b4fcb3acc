"""Uploads: row first, then the name, then the bytes, then the fact (design law 3), whoever brings them."""
