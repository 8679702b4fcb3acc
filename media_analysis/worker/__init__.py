"""Jobs claimed and run on this machine."""
