"""A real cluster, and Snakemake submitting to it."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Cluster, NoCluster
from filelock import FileLock
from submitting import Started, ready_to_train


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes."""
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    # A machine holds one: another process of the tests waits until this one has ended.
    with FileLock(Path(tempfile.gettempdir()) / "tap2key-cluster.lock"):
        try:
            found.start()
        except NoCluster as reason:
            pytest.skip(f"no SLURM cluster: {reason}")
        try:
            yield found
        finally:
            found.stop()


@pytest.fixture
def start(cluster: Cluster) -> Iterator[Callable[..., Started]]:
    """Start Snakemake in a folder; what still runs when the test ends is killed."""
    begun: list[Started] = []

    def starting(root: Path, *arguments: str, **where: Path | str) -> Started:
        begun.append(Started(root, arguments, **where))
        return begun[-1]

    yield starting
    for one in begun:
        one.kill()
    cluster.cancel([job for one in begun for job in one.jobs])


@pytest.fixture(scope="session")
def finished(finished_and_copy: tuple[Path, Path]) -> Path:
    """The copy of the finished study, as tests in another process edit the study itself."""
    return finished_and_copy[1]


@pytest.fixture
def prepared(finished: Path, tmp_path: Path) -> Path:
    """A workflow of which the next thing to make is `MODEL`, of a size to be interrupted."""
    return ready_to_train(finished, tmp_path)
