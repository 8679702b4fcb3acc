"""What all screens share: the frame around them, the parts they are made of, and their scripts."""
