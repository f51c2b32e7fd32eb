"""How finely and how far two microphones' sounds are moved against each other."""


def lags_of(lag_rate: int, max_delay_s: float) -> int:
    """How many lags a correlation has: from −`max_delay_s` to +`max_delay_s`, 0 in the middle."""
    return 2 * round(max_delay_s * lag_rate) + 1
