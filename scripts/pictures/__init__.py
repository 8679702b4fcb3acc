"""Pictures of the page for the README, taken of what the demonstration leaves."""
