"""Streams of packets: their one line of time, their decoding, and what pictures there are in them."""
