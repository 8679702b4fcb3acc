"""The trash: what can still come back, and until when."""
