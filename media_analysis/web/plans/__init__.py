"""Plans: what a sweep would have taken, read and approved."""
