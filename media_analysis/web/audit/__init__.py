"""The audit trail: who did what, to take along."""
