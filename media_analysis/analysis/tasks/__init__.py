"""The built-in tasks: each module's `run` is one, and runs in a process of its own."""
