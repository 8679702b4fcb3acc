"""Contact sheets: laid out, headed and set in type."""
