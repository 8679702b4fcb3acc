"""Replicas, second copies in another store: made as files come, deleted as they go, and each mended from the other."""
