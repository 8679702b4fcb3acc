"""Plans: dry runs that are kept and applied as they were."""
