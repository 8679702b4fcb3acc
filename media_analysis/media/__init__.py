"""What bytes are: media types from content."""
