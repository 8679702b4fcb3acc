"""Webhooks: who is told of what, and how that went."""
