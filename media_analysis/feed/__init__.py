"""The feed: events of the log as whoever may see them is told of them, in pages and as they happen."""
