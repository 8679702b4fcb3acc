"""Removal: many files that go together because somebody asked, or because their job's time is over."""
