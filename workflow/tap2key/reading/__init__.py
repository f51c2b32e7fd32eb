"""New recordings → what was typed."""
