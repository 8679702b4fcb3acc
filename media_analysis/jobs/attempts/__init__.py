"""Attempts: one claim of a job by a worker, from its start to its end, under a fence."""
