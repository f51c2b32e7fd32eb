"""A batch and the processes that share it."""

from tap2key.core.errors import Tap2keyError


def share_of_batch(batch_size: int, processes: int, where: str) -> int:
    """The rows of a batch that each of the processes gets.

    Raises:
        Tap2keyError: they cannot share it evenly; the message names `where`, the setting.
    """
    if batch_size % processes:
        raise Tap2keyError(
            f"{where} {batch_size}: cannot be shared by {processes} processes (launch); "
            "choose a multiple"
        )
    return batch_size // processes
