import pytest

from tap2key.evaluation.detection import (
    DETECTION,
    END_TO_END,
    detection_scores,
    scored_share,
    with_detection,
)


def audit(person="Ana", session="1", status="ok", **counts):
    cells = {"touches": 50, "unmatched_touches": 5, "taps": 47, "unmatched_taps": 2}
    cells |= {"matched": 45, "none_dropped": 0} | counts
    # As a table's cells are read.
    texts = {name: "" if value is None else str(value) for name, value in cells.items()}
    return {"participant": person, "session": session, "status": status, **texts}


def test_recall_is_of_touches_and_precision_of_taps():
    found = detection_scores([audit(), audit(touches=30, taps=33, unmatched_taps=6)])
    assert (found["touches"], found["missed_taps"], found["invented_taps"]) == (80, 10, 8)
    assert found["detection_recall"] == pytest.approx(70 / 80)
    assert found["detection_precision"] == pytest.approx(72 / 80)
    assert found["detection_f1"] == pytest.approx(2 * 0.875 * 0.9 / 1.775)
    assert [*found] == [*DETECTION]


def test_nothing_is_known_of_recordings_without_touches_or_left_out():
    nothing = dict.fromkeys(DETECTION)
    assert detection_scores([]) == nothing
    assert detection_scores([audit(status="left out"), audit(touches=None)]) == nothing
    assert scored_share([audit(touches=0)]) is None


def test_touches_of_which_no_tap_is_found_leave_no_precision():
    found = detection_scores([audit(taps=0, unmatched_taps=0, unmatched_touches=50)])
    assert (found["detection_recall"], found["detection_precision"]) == (0, None)
    assert found["detection_f1"] == 0


def test_a_tap_that_was_cut_off_is_found_but_not_scored_and_a_dropped_one_was_not_wanted():
    # Of 50 touches 5 were missed, 3 cut off by the recording's end, 2 dropped as outside every key.
    assert scored_share([audit(matched=40, none_dropped=2)]) == pytest.approx(40 / 48)


def test_missed_taps_count_as_wrong_end_to_end_in_the_sessions_that_are_tested():
    rows = [
        {"participant": "Ana", "accuracy": 0.9, "taps": 45},
        {"participant": "Bo", "accuracy": 0.5, "taps": 90},
        {"participant": "Cy", "accuracy": 0.7, "taps": 9},
        {"participant": "mean", "accuracy": 0.7, "taps": 144},
    ]
    audits = [
        audit(),
        audit(session="2", unmatched_touches=50, matched=0),
        audit("Bo"),
        audit("Di"),
    ]
    tested = {("Ana", "1"), ("Bo", "1"), ("Cy", "1")}
    ana, bo, cy, mean = with_detection(rows, audits, tested)
    assert ana[END_TO_END] == pytest.approx(0.9 * 45 / 50)
    assert bo[END_TO_END] == pytest.approx(0.5 * 45 / 50)
    assert cy[END_TO_END] is cy["touches"] is None
    assert mean[END_TO_END] == pytest.approx(0.7 * 45 / 50)
    assert (mean["touches"], mean["missed_taps"], mean["accuracy"]) == (100, 10, 0.7)
    assert mean["detection_recall"] == pytest.approx(0.9)
