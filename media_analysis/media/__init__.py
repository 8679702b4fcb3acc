"""What media files are and show: their types, facts, pictures and contact sheets."""
