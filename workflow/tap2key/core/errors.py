"""The one exception type for what a user can cause and mend."""


class Tap2keyError(Exception):
    """One line for the user: what is wrong, where (file, row), and what to do about it."""

    def __str__(self) -> str:
        """The message as one line, though a file's name may hold line ends."""
        return "\\n".join(super().__str__().splitlines())


class DivergedError(Tap2keyError):
    """A model's loss, weights or probabilities are not finite numbers: it is of no use."""


def first_line(error: Exception) -> str:
    """What an error of a library says first; its kind where it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]
