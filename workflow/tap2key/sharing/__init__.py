"""A finished run for those who did not make it: the report's first page, cards, a crate."""
