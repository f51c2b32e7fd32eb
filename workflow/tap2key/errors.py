"""The one exception type for what a user can cause and mend."""


class Tap2keyError(Exception):
    """One line for the user: what is wrong, where (file, row), and what to do about it."""


class DivergedError(Tap2keyError):
    """A model's loss, weights or probabilities are not finite numbers: it is of no use."""
