"""Files: their rows, uploads, reading and tombstones."""
