"""Jobs taken from the queue and run on this machine."""
