"""A study as it lies on disk: sessions, recordings, touches, keyboard, manifest."""
