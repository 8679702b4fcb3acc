"""Requests that the service itself makes: to which addresses, how they are signed, and what of an answer is read."""
