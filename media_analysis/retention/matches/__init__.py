"""Files that somebody names by a filter: which of them may go, with what, and why others stay."""
