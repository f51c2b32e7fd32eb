import pytest
from benchmark import fuzz_readers

from tap2key.study.touches import Touches


@pytest.mark.parametrize(("kind", "count"), [("wav", 400), ("csv", 200)])
def test_damaged_files_give_a_result_or_one_line(tmp_path, kind, count):
    outcomes = fuzz_readers.fuzz(kind, 0, count, tmp_path, None)
    assert outcomes.total() == count
    # Neither refuses everything nor takes anything.
    assert min(outcomes.values()) > count / 10
    assert len(outcomes) == 2


def test_undamaged_files_pass_every_check(tmp_path):
    for valid, _, check in fuzz_readers.CHECKS.values():
        for data in valid():
            (tmp_path / "a").write_bytes(data)
            check(tmp_path / "a")


def test_a_touch_that_is_not_in_the_file_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_bytes(fuzz_readers.valid_logs()[0])
    read = fuzz_readers.read_touches

    def with_the_next_ones_place(paths):
        touches = read(paths)
        return Touches(touches.times[:-1], touches.xy[1:], touches.run[1:])

    monkeypatch.setattr(fuzz_readers, "read_touches", with_the_next_ones_place)
    with pytest.raises(AssertionError, match="differ"):
        fuzz_readers.check_log(path)
