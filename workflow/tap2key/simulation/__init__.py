"""Studies with known truth. No other room may read the truth written here."""
