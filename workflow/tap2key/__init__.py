"""Name the key from the sound of a tap, and measure how well for a person never heard."""

__version__ = "0.1.0"
