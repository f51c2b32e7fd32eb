import json

import numpy as np
import pytest
from made import stage

from tap2key.core.files import read_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.encoded_dataset import load_dataset_folder
from tap2key.evaluation.adaptation import (
    Heard,
    Locator,
    Shift,
    adaptation_curve,
    adapted,
    draw_taps,
    prototype_scores,
)
from tap2key.evaluation.significance import bootstrap_interval
from tap2key.models.key_places import places_of
from tap2key.study.keyboard import load_keyboard

KEYS = load_keyboard(KEYBOARD)
PLACES = places_of(KEYS, KEYS.labels)
OUTSIDE = KEYS.labels.index("none")


def session(rng, per_key=5, shift=(0.0, 0.0), stretch=1.0, aim=2.0):
    """Taps on all keys but `none`: true keys [n], and where a model takes them to be [n, 2]."""
    keys = np.repeat([at for at in range(len(KEYS.labels)) if at != OUTSIDE], per_key)
    parts = [PLACES.parts[KEYS.labels[key]] for key in keys]
    hit = np.array([part[rng.integers(len(part))] for part in parts])
    hit += rng.normal(0, aim, hit.shape)
    middle = np.nanmean(PLACES.centres, axis=0)
    return keys, (hit - middle) * stretch + middle + shift


def by_place(seen):
    """What a model that knows nothing of a shift makes of places: [n, labels]."""
    squares = np.stack(
        [
            ((seen[:, None] - PLACES.parts[label][None]) ** 2).sum(-1).min(1)
            for label in KEYS.labels
        ],
        axis=1,
    )
    likelihood = np.exp(-np.maximum(squares - squares.min(axis=1, keepdims=True), 0) / 72)
    return likelihood / likelihood.sum(axis=1, keepdims=True)


def accuracy(scores, keys):
    return (scores.argmax(axis=1) == keys).mean()


def test_one_tap_of_each_key_tells_a_shift_of_the_whole_keyboard():
    rng = np.random.default_rng(1)
    keys, seen = session(rng, per_key=6, shift=(7, -6), stretch=1.03)
    given = np.arange(len(keys)) % 6 == 0
    shift = Shift(seen[given], keys[given], PLACES)
    _, straight = session(np.random.default_rng(1), per_key=6)
    assert np.abs(shift(seen[~given]) - straight[~given]).max(axis=1).mean() < 1.0
    heard = Heard(by_place(seen), seen)
    before = accuracy(heard.probabilities[~given], keys[~given])
    named = adapted(heard.of(given), keys[given], heard.of(~given), PLACES)
    assert before < 0.75
    assert accuracy(named, keys[~given]) > 0.97


def test_a_far_outlier_hardly_moves_the_shift():
    rng = np.random.default_rng(2)
    keys, seen = session(rng, per_key=1, shift=(4, 4))
    seen[3] += 120
    found = Shift(seen, keys, PLACES)
    moved = found(seen)[4:] - seen[4:]
    np.testing.assert_allclose(moved.mean(axis=0), [-4, -4], atol=1.5)


def test_a_model_that_needs_no_calibration_is_left_alone():
    rng = np.random.default_rng(3)
    keys, seen = session(rng, per_key=6)
    given = np.arange(len(keys)) % 6 == 0
    for places in (seen, None):
        heard = Heard(by_place(seen), places)
        named = adapted(heard.of(given), keys[given], heard.of(~given), PLACES)
        before = accuracy(heard.probabilities[~given], keys[~given])
        assert accuracy(named, keys[~given]) >= before - 0.01


def test_prototypes_mend_keys_that_a_model_takes_for_their_neighbours():
    """Without places, as of a forest: both of two keys sound like the second, the first less so."""
    labels, per_key = 6, 8
    keys = np.repeat(np.arange(labels), per_key)
    profiles = np.zeros((labels, labels))
    for first in range(0, labels, 2):
        profiles[first, first : first + 2] = 0.45, 0.55
        profiles[first + 1, first : first + 2] = 0.1, 0.9
    rng = np.random.default_rng(4)
    chances = 0.95 * profiles[keys] + 0.05 * rng.dirichlet(np.ones(labels), len(keys))
    given = np.arange(len(keys)) % per_key < 3
    added = prototype_scores(chances[given], keys[given], chances[~given])
    assert accuracy(chances[~given], keys[~given]) < 0.6
    assert accuracy(np.log(chances[~given]) + added, keys[~given]) > 0.95


def test_a_key_without_a_labelled_tap_is_neither_favoured_nor_ruled_out():
    rng = np.random.default_rng(5)
    keys = np.repeat(np.arange(5), 10)
    chances = 0.8 * np.eye(5)[keys] + 0.2 * rng.dirichlet(np.ones(5), len(keys))
    given = (np.arange(len(keys)) % 10 == 0) & (keys != 4)
    added = prototype_scores(chances[given], keys[given], chances[~given])
    named = (np.log(chances[~given]) + added).argmax(axis=1)
    assert (named == keys[~given]).mean() > 0.95
    assert not prototype_scores(chances[:1], keys[:1], chances).any()


def test_places_are_learned_from_embeddings():
    rng = np.random.default_rng(6)
    places = rng.uniform(-100, 100, (600, 2))
    turn = rng.standard_normal((2, 16)) / 50
    embeddings = np.tanh(places @ turn) + 0.01 * rng.standard_normal((600, 16))
    found = Locator(embeddings[:500], places[:500])(embeddings[500:])
    assert np.median(np.linalg.norm(found - places[500:], axis=1)) < 5


def test_taps_that_are_given_are_never_tested_and_the_tested_ones_stay():
    rng = np.random.default_rng(7)
    keys, sessions = rng.integers(0, 5, 200), rng.integers(0, 3, 200)
    keys[(keys == 4) & (sessions == 1)] = 3
    keys[np.flatnonzero(sessions == 1)[0]] = 4  # a single one
    seen = []
    for draw in range(3):
        parts = list(draw_taps(keys, sessions, (1, 2, 5), (0, draw)))
        assert len(parts) == 3
        for at, part in enumerate(parts):
            rows = [*part.given[5], *part.tested]
            assert sorted(rows) == np.flatnonzero(sessions == at).tolist()
            assert set(part.given[1]) < set(part.given[2]) < set(part.given[5])
            for key in range(5):
                own = ((keys == key) & (sessions == at)).sum()
                for count in (1, 2, 5):
                    assert (keys[part.given[count]] == key).sum() == min(count, max(own - 1, 0))
        seen.append([part.given[1].tolist() for part in parts])
        again = [p.given[1].tolist() for p in draw_taps(keys, sessions, (1, 2, 5), (0, draw))]
        assert again == seen[-1]
    assert seen[0] != seen[1]


def test_the_curve_starts_at_the_model_as_it_is_and_counts_what_it_used():
    rng = np.random.default_rng(8)
    parts = [session(rng, 6, shift) for shift in ((6, 5), (-7, 4))]
    keys, seen = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    sessions = np.repeat(["s1", "s2"], len(keys) // 2)
    heard = Heard(by_place(seen), seen)
    rows = adaptation_curve(heard, keys, sessions, PLACES, (1, 2), draws=2, seed=0)
    assert [(r["draw"], r["taps_per_key"]) for r in rows] == [
        (draw, count) for draw in (0, 1) for count in (0, 1, 2)
    ]
    assert [r["given"] for r in rows[:3]] == [0, 2 * 33, 4 * 33]
    assert {r["tested"] for r in rows} == {8 * 33}
    tested = np.concatenate([p.tested for p in draw_taps(keys, sessions, (1, 2), (0, 0))])
    assert rows[0]["accuracy"] == accuracy(heard.probabilities[tested], keys[tested])
    assert rows[1]["accuracy"] > rows[0]["accuracy"] + 0.1


@pytest.mark.parametrize("kind", ["network", "forest"])
def test_stages_from_a_models_folder_to_the_curve(request, study, tmp_path, kind):
    folder, _, datasets = study
    training = [path for name, path in datasets.items() if name != "Ana"]
    if kind == "forest":
        settings = json.dumps({"kind": "level_forest", "trees": 5})
        where = ("--datasets", *training, "--output", tmp_path / "model")
        stage("baseline", "--fold", folder, "--settings", settings, *where)
    model = tmp_path / "model" if kind == "forest" else request.getfixturevalue("network")
    where = ("--fold", folder, "--training", *training, "--taps-per-key", 1, 2, "--draws", 3)
    results = []
    for name in ("first", "second"):
        output = tmp_path / name
        stage(
            "adaptation-scores",
            "--model",
            model,
            *where,
            "--dataset",
            datasets["Ana"],
            "--output",
            output,
        )
        results.append(read_tsv(output / "adaptation.tsv"))
    rows = results[0]
    assert results[1] == rows
    assert len(rows) == 3 * 3
    assert {row["participant"] for row in rows} == {"Ana"}
    taps = len(load_dataset_folder(datasets["Ana"]).data)
    assert all(int(r["given"]) + int(r["tested"]) == taps for r in rows if r["taps_per_key"] == "2")
    stage(
        *("adaptation-curve", "--experiment", "e", "--adaptations", tmp_path / "first"),
        *("--output", tmp_path / "curve"),
    )
    curve = read_tsv(tmp_path / "curve" / "curve.tsv")
    for count in "012":
        drawn = [float(r["accuracy"]) for r in rows if r["taps_per_key"] == count]
        own, mean = (r for r in curve if r["taps_per_key"] == count)
        assert (own["participant"], mean["participant"]) == ("Ana", "mean")
        assert float(own["accuracy"]) == pytest.approx(np.mean(drawn), abs=1e-4)
        assert float(own["accuracy_sd_over_draws"]) == pytest.approx(np.std(drawn), abs=1e-4)
        assert mean["accuracy_low"] == mean["accuracy"] == own["accuracy"]
    for ending in ("png", "pdf", "html"):
        assert (tmp_path / "curve" / f"curve.{ending}").stat().st_size > 1000


def test_the_interval_of_the_curve_is_over_participants(tmp_path):
    scores = {"Ana": 0.8, "Bo": 0.9, "Chen": 0.6}
    folders = []
    for person, score in scores.items():
        folder = tmp_path / person
        folder.mkdir()
        lines = ["participant\tseed\tdraw\ttaps_per_key\tgiven\ttested\taccuracy\tmacro_f1"]
        for draw in (0, 1):
            for count in (0, 1):
                value = score + 0.05 * count + 0.01 * draw
                lines.append(f"{person}\t0\t{draw}\t{count}\t{34 * count}\t100\t{value}\t{value}")
        (folder / "adaptation.tsv").write_text("\n".join(lines) + "\n")
        folders.append(folder)
    stage(
        *("adaptation-curve", "--experiment", "e", "--adaptations", *folders),
        *("--output", tmp_path / "curve"),
    )
    rows = read_tsv(tmp_path / "curve" / "curve.tsv")
    assert [row["participant"] for row in rows] == [
        *(p for p in scores for _ in "01"),
        "mean",
        "mean",
    ]
    means = [row for row in rows if row["participant"] == "mean"]
    assert [float(row["accuracy"]) for row in means] == pytest.approx([0.7717, 0.8217], abs=1e-4)
    low, high = bootstrap_interval([0.855, 0.955, 0.655])
    assert float(means[1]["accuracy_low"]) == pytest.approx(low, abs=1e-4)
    assert float(means[1]["accuracy_high"]) == pytest.approx(high, abs=1e-4)


def test_a_session_with_one_tap_of_each_key_is_left_as_it_is():
    """There is none to learn from once one of each key is kept to be tested."""
    keys = np.arange(len(PLACES.labels))
    heard = Heard(np.eye(len(keys)) * 0.5 + 0.5 / len(keys), None)
    rows = adaptation_curve(heard, keys, np.full(len(keys), "s1"), PLACES, (1, 2), draws=1, seed=0)
    assert [row["given"] for row in rows] == [0, 0, 0]
    assert {row["accuracy"] for row in rows} == {1.0}
