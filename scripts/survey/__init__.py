"""What syntax trees tell of how a package is built: its modules, their imports, and who writes which table."""
