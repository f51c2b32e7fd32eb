import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import pytest
from made import people

from tap2key.core.errors import Tap2keyError
from tap2key.datasets.encoded_dataset import load_dataset_folder
from tap2key.training.staging import staged


@pytest.fixture
def datasets(tmp_path):
    return list(people(tmp_path / "shared", ["Bo", "Chen"]).values())


def folders_in(disk):
    return sorted(path for path in disk.iterdir() if path.is_dir())


def test_without_a_place_the_originals_are_read(datasets):
    assert staged(datasets, None) == staged(datasets, "") == datasets


def test_datasets_are_copied_once_to_the_nodes_own_disk(datasets, tmp_path, monkeypatch):
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "disk"))
    copies = staged(datasets, "$NODE_DISK/job")
    assert {copy.parent for copy in copies} == {tmp_path / "disk" / "job"}
    for copy, original in zip(copies, datasets, strict=True):
        ours, theirs = (load_dataset_folder(folder).data for folder in (copy, original))
        assert ours.to_pandas().equals(theirs.to_pandas())
    born = [copy.stat().st_ctime_ns for copy in copies]
    assert staged(datasets, "$NODE_DISK/job") == copies
    assert [copy.stat().st_ctime_ns for copy in copies] == born
    assert folders_in(tmp_path / "disk" / "job") == sorted(copies)


def test_processes_that_come_at_once_make_one_copy(datasets, tmp_path, monkeypatch):
    copied = []
    all_copying = Barrier(8)

    def counted(source, target):
        copied.append(source)
        # Whoever else may copy has the time to come here; where only one may, nobody does.
        with suppress(BrokenBarrierError):
            all_copying.wait(timeout=1)
        return copytree(source, target)

    copytree = shutil.copytree
    monkeypatch.setattr(shutil, "copytree", counted)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: staged(datasets, str(tmp_path / "disk")), range(8)))
    assert sorted(copied) == sorted(datasets)
    assert found == [found[0]] * 8
    assert folders_in(tmp_path / "disk") == sorted(found[0])


def lose(path):
    path.unlink()


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-1])


def overwrite(path):
    path.write_bytes(bytes(len(path.read_bytes())))


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        (lose, "encoding.json"),
        (lose, "data-00000-of-00001.arrow"),
        (cut_off, "data-00000-of-00001.arrow"),
        (overwrite, "state.json"),
    ],
)
def test_a_damaged_copy_is_made_anew_and_whoever_reads_it_reads_on(datasets, tmp_path, harm, name):
    (copy,) = staged(datasets[:1], str(tmp_path / "disk"))
    before = load_dataset_folder(copy).data
    harm(copy / name)
    assert staged(datasets[:1], str(tmp_path / "disk")) == [copy]
    expected = load_dataset_folder(datasets[0]).data.to_pandas()
    assert load_dataset_folder(copy).data.to_pandas().equals(expected)
    if harm is lose:
        assert before.to_pandas().equals(expected)
    assert folders_in(tmp_path / "disk") == [copy]


def test_what_is_no_copy_is_never_removed(datasets, tmp_path):
    (copy,) = staged(datasets[:1], str(tmp_path / "disk"))
    (copy / "encoding.json").unlink()
    (copy / "mine.txt").write_text("kept by hand")
    with pytest.raises(Tap2keyError, match=r"not a copy of a dataset, it holds mine\.txt; move it"):
        staged(datasets[:1], str(tmp_path / "disk"))
    assert (copy / "mine.txt").read_text() == "kept by hand"
    assert folders_in(tmp_path / "disk") == [copy]


def test_another_content_is_another_copy(datasets, tmp_path):
    (changed,) = people(tmp_path / "changed", ["Bo"], taps=24).values()
    first, other = staged([datasets[0], changed], str(tmp_path / "disk"))
    assert first != other
    assert len(load_dataset_folder(other).data) == 24


def test_a_variable_that_is_not_set_is_refused(datasets):
    with pytest.raises(Tap2keyError, match=r"launch\.stage_to \$NO_SUCH_DISK: not set"):
        staged(datasets, "$NO_SUCH_DISK")


def test_a_disk_that_cannot_be_written_is_refused_and_nothing_is_left(datasets, tmp_path):
    (tmp_path / "full").write_text("a file where a folder is needed")
    with pytest.raises(Tap2keyError, match="full"):
        staged(datasets, str(tmp_path / "full"))
