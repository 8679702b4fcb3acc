"""What stands between a sweep and a disaster: breaker, pauses, clock."""
