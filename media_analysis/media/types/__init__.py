"""Media types, told by content: magic numbers, sync words, and what containers hold."""
