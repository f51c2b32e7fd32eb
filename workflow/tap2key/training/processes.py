"""What the processes that train one model agree on: who writes, when to stop, the result."""

import hashlib
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object, reduce
from filelock import FileLock, Timeout
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tap2key.core.errors import Tap2keyError
from tap2key.core.log import log

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

Value = TypeVar("Value")


def broadcast_from_first(value: Value) -> Value:
    """The first process's `value`, on every process."""
    values = [value]
    if PartialState().num_processes > 1:
        broadcast_object_list(values)
    return values[0]


def check_gpus(environment: Mapping[str, str]) -> None:
    """Refuse several processes on one GPU, which NCCL, their means of talking, cannot serve.

    Args:
        environment: as the launcher made it; LOCAL_WORLD_SIZE is the processes on this node.

    Raises:
        Tap2keyError: there are GPUs, but fewer than processes.
    """
    processes, gpus = int(environment.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
    if torch.cuda.is_available() and processes > gpus:
        raise Tap2keyError(
            f"launch.processes {processes}: each needs a GPU of its own, and there are {gpus} "
            f"here; set launch.processes to {gpus}, or ask for more GPUs in the profile"
        )


@contextmanager
def sole_writer(folder: Path, seconds: float) -> Iterator[None]:
    """Hold a lock on a checkpoint folder; the first process takes it for all of them.

    Raises:
        Tap2keyError: another job holds it for longer than `seconds`.
        SystemExit: the same, on the other processes, which have nothing to add.
    """
    lock = FileLock(folder.with_name(folder.name + ".lock"), timeout=seconds)
    first = PartialState().is_main_process
    try:
        if first:
            lock.acquire()
    except Timeout:
        pass
    # The others would wait for ever for a first process that has given up.
    if not broadcast_from_first(lock.is_locked):
        if not first:
            raise SystemExit(1)
        raise Tap2keyError(
            f"{folder}: another job is training this model; wait for it or cancel it"
        )
    try:
        yield
    finally:
        if first:
            lock.release()


def check_equal_weights(model: torch.nn.Module) -> None:
    """Refuse a model of which the processes hold different weights."""
    if PartialState().num_processes == 1:
        return
    weights = hashlib.blake2b(digest_size=16)
    for weight in model.parameters():
        values = weight.detach().cpu().contiguous().reshape(-1)
        weights.update(values.view(torch.uint8).numpy().data)
    found = gather_object([weights.hexdigest()])
    if len(set(found)) > 1:
        raise Tap2keyError(
            f"the {len(found)} processes ended with different weights; train with one process"
        )
    if PartialState().is_main_process:
        log.info(f"all {len(found)} processes ended with the same weights")


class Interruption(TrainerCallback):
    """Stops training with a checkpoint after the step in which SIGTERM or SIGUSR1 arrived."""

    def __init__(self) -> None:
        """Nothing has arrived yet."""
        self.received: str | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note signals instead of ending."""
        before = {number: signal.signal(number, self._receive) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: object) -> None:
        self.received = signal.Signals(number).name

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """All processes stop after the same step, whichever of them received the signal."""
        here = PartialState()
        stop = self.received is not None
        if here.num_processes > 1:
            stops = torch.tensor([float(stop)], device=here.device)
            stop = bool(reduce(stops, "sum").item())
        if stop:
            control.should_save = control.should_training_stop = True
