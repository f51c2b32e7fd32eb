"""Recordings and touches → labelled taps: clock, pairing, labels, the store of taps, previews."""
