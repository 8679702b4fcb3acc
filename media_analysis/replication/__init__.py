"""Second copies of what is stored: made as files come, deleted as they go, and each mended from the other."""
