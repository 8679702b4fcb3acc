"""Sessions: who may ask, how long, and ending them."""
