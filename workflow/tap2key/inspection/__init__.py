"""A folder of recordings: what it holds, what is odd about it, and how to begin with it."""
