"""Arrays of sound in, numbers out: filters, taps, onsets, delays, the state of channels."""
