"""Links: signed addresses for one file, to be read or to be brought, that work without a token."""
