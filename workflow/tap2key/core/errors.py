"""The one exception type for what a user can cause and mend."""


class Tap2keyError(Exception):
    """One line for the user: what is wrong, where (file, row), and what to do about it."""

    def __str__(self) -> str:
        """The message as one line, though a file's name may hold line ends."""
        return "\\n".join(super().__str__().splitlines())


class DivergedError(Tap2keyError):
    """A model's loss, weights or probabilities are not finite numbers: it is of no use."""
