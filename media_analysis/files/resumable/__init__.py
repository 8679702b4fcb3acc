"""Uploads whose bytes come in several requests, over days if need be."""
