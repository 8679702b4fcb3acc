"""The demonstration: a film made for it, a client of the API, and one video's life told by both."""
