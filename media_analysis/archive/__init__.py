"""Runs in archives: packing, proof, reading and restoring."""
