"""Jobs that nobody asks for: kinds that run by themselves on files of a category, once they are stored."""
