"""Jobs: those that wait, run and have ended, one with all it made, and starting one."""
