"""Networks and forests: how they are built, saved, loaded, and asked."""
