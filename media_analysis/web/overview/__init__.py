"""The overview: what is stored, what leaves, and whether all is well."""
