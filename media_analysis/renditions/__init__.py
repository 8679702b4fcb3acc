"""Pictures of files for whoever waits for them: made once, by few at a time, and kept for a while."""
