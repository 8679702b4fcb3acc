"""All of HTTP."""
