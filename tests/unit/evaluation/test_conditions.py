import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD
from tap2key.evaluation.conditions import (
    BORDER,
    FEWEST_TAPS,
    SESSION,
    bin_names,
    border_distance_mm,
    condition_bins,
    measured_conditions,
)
from tap2key.evaluation.predictions import Predictions
from tap2key.evaluation.tap_conditions import GAP, SNR
from tap2key.models.key_places import places_of
from tap2key.study.keyboard import MM_PER_UNIT, load_keyboard

KEYS = load_keyboard(KEYBOARD)
PLACES = places_of(KEYS, KEYS.labels)


def test_the_border_is_where_the_nearest_key_becomes_another():
    rng = np.random.default_rng(2)
    touched = rng.uniform([900, 850], [2700, 1500], (60, 2))
    # Of a key with several centres it is at least so far.
    single = np.bincount(KEYS.centre_labels)[KEYS.nearest(touched)] == 1
    touched = touched[single]
    truth = KEYS.nearest(touched)
    distance = border_distance_mm(truth, touched, PLACES) / MM_PER_UNIT
    around = np.linspace(0, 2 * np.pi, 721)
    circle = np.stack([np.cos(around), np.sin(around)], axis=1)
    for at, key, border in zip(touched, truth, distance, strict=True):
        assert border >= 0
        assert set(KEYS.nearest(at + 0.99 * border * circle)) == {key}
        assert set(KEYS.nearest(at + (1.01 * border + 0.5) * circle)) > {key}


def test_beyond_its_keys_border_a_tap_is_negative_and_without_a_place_unknown():
    a, s = (KEYS.labels.index(label) for label in "as")
    near_s = np.array([[2460.0, 1088.0]])
    ((inside,), (outside,)) = (border_distance_mm(np.array([k]), near_s, PLACES) for k in (s, a))
    assert outside < 0 < inside
    assert np.isnan(border_distance_mm(np.array([a]), near_s * np.nan, PLACES)).all()


def predicted(people, truth, prediction, labels=("a", "_1", "_2")):
    """One tap after the other in each one's session s1."""
    return Predictions(
        labels,
        tuple((person, "s1", "r", tap) for tap, person in enumerate(people)),
        np.array(truth),
        np.eye(len(labels))[prediction],
        np.zeros((len(truth), 2)),
        np.zeros((len(truth), 2)),
    )


def test_bins_hold_their_lower_end_and_means_are_over_participants_with_enough_taps():
    count = 2 * FEWEST_TAPS
    people = ["Ana"] * count + ["Bo"] * FEWEST_TAPS + ["Cy"] * (FEWEST_TAPS - 1)
    truth = [1] * len(people)
    # Ana names half of the taps rightly and takes the other half for another part of the space bar.
    prediction = [1, 2] * FEWEST_TAPS + [0] * FEWEST_TAPS + [1] * (FEWEST_TAPS - 1)
    found = predicted(people, truth, prediction)
    values = np.full(len(people), 2.0)
    values[-1] = np.nan
    (middle, *sessions) = condition_bins(found, {BORDER: values})
    row = middle.row()
    assert (row["condition"], row["bin"], row["taps"]) == (BORDER, "2–4", len(people) - 1)
    assert (row["participants"], row["accuracy"]) == (2, 0.25)
    assert row["accuracy_space_merged"] == 0.5
    assert row["accuracy_sd_over_participants"] == pytest.approx(np.std([0.5, 0], ddof=1))
    assert (row["lowest_accuracy"], row["lowest_participant"]) == (0, "Bo")
    assert [(s.condition, s.name, s.taps) for s in sessions] == [
        (SESSION, "Ana/s1", count),
        (SESSION, "Bo/s1", FEWEST_TAPS),
        (SESSION, "Cy/s1", FEWEST_TAPS - 1),
    ]
    assert sessions[-1].row()["accuracy"] is None


def test_seeds_are_averaged_and_taps_counted_once():
    one = predicted(["Ana"] * 6, [0] * 6, [0] * 6)
    twice = Predictions(
        one.labels,
        one.identity * 2,
        np.repeat(0, 12),
        np.eye(3)[[0] * 6 + [1] * 6],
        np.zeros((12, 2)),
        np.zeros((12, 2)),
    )
    (gap, _) = condition_bins(twice, {GAP: np.full(12, np.inf)})
    assert (gap.name, gap.taps, gap.accuracy) == ("≥ 500", 6, {"Ana": 0.5})


def test_bins_are_named_after_their_ends():
    assert bin_names((1, 2.5)) == ["< 1", "1–2.5", "≥ 2.5"]


def test_what_the_overview_measured_is_joined_by_identity(tmp_path):
    found = predicted(["Ana", "Ana", "Bo"], [0, 0, 0], [0, 0, 0])
    people, sessions, recordings, taps = zip(*reversed(found.identity), strict=True)
    table = pa.table(
        {
            **{"participant": people, "session": sessions, "recording": recordings, "tap": taps},
            **{GAP: [30.0, None, 10.0], SNR: [3.0, 2.0, 1.0]},
        }
    )
    path = tmp_path / "tap_conditions.parquet"
    pq.write_table(table, path)
    measured = measured_conditions(path, found)
    assert measured[SNR].tolist() == [1, 2, 3]
    assert measured[GAP][[0, 2]].tolist() == [10, 30]
    assert np.isnan(measured[GAP][1])
    pq.write_table(table.slice(1), path)
    with pytest.raises(Tap2keyError, match=r"has no .*Bo.*same taps"):
        measured_conditions(path, found)
    path.write_text("no parquet")
    with pytest.raises(Tap2keyError, match="not readable"):
        measured_conditions(path, found)
