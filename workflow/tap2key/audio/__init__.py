"""Recordings as files: wav, w64 and FLAC, read in blocks whatever their headers say."""
