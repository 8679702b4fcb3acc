"""Settings: what this service was told, how it is, and what it does by a schedule."""
