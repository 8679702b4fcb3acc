"""Where bytes live: keys, the marker and the store on disk."""
