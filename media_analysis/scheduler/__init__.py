"""Says when sweeps and the duties beside them run, and nothing else; PostgreSQL remembers which slots are done."""
