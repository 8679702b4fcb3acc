"""Records of the service's own: how long each kind is kept, how they end, and how they are kept elsewhere before."""
