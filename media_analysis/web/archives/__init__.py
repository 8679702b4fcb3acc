"""Archives: runs that were packed, what is inside, and bringing it back."""
