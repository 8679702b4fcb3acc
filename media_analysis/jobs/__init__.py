"""Analysis jobs and their results."""
