"""Forecasts: bytes by day, from sums alone."""
