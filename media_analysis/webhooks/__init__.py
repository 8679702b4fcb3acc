"""Webhooks: who is told of which events at which address, and how each delivery goes."""
