"""Request and response documents."""
