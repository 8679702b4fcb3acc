"""Sessions: bearer tokens with an owner, a role and an end."""
