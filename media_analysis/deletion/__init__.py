"""Deletion: tombstone first, then the bytes; what waits for that, what stands still, what is trash."""
