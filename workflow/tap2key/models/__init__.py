"""Networks and baselines: how they are built, saved, loaded, and asked."""
