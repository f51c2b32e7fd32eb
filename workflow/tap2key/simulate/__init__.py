"""Studies with known truth. No other stage may read the truth written here."""
