"""The database: mapping base, transactions, health and the embedded server."""
