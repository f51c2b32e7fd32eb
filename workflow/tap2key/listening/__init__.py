"""Sound as it comes → what is typed, while it is typed."""
