"""Tasks run in a process of their own, so that the crash of a codec takes down one job and never the service."""
