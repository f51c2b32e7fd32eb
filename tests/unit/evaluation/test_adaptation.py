import numpy as np
import pytest
from located_taps import PLACES, accuracy, by_place, session
from made import stage

from tap2key.comparison.intervals import mean_interval
from tap2key.core.files import read_tsv
from tap2key.datasets.encoded_dataset import load_dataset_folder
from tap2key.evaluation.adaptation import Rows, adaptation_curve, first_taps
from tap2key.evaluation.adaptation_scores import COLUMNS
from tap2key.models.session_adaptation import Outputs, fit_unlabelled


def in_turn(sessions, recordings):
    return Rows(sessions, recordings, np.arange(len(sessions)))


def test_the_first_taps_of_each_key_are_given_and_the_later_recordings_tested_once():
    rng = np.random.default_rng(7)
    keys, order = rng.integers(0, 5, 240), rng.permutation(240)
    # Five recordings in time, of two sessions by turns; one session has three of them.
    number = order // 48
    sessions, recordings = np.array(["s1", "s2"])[number % 2], np.array([*"zyxwv"])[number]
    parts = list(first_taps(keys, Rows(sessions, recordings, order), (1, 3, 99)))
    for part, (early, late) in zip(parts, ((["z"], ["x", "v"]), (["y"], ["w"])), strict=True):
        assert sorted(part.tested) == np.flatnonzero(np.isin(recordings, late)).tolist()
        assert sorted(part.earlier) == np.flatnonzero(np.isin(recordings, early)).tolist()
        assert sorted(part.labelled[99]) == sorted(part.earlier)
        assert order[part.earlier].max() < order[part.tested].min()
        for key in range(5):
            in_time = np.flatnonzero(np.isin(recordings, early) & (keys == key))
            in_time = in_time[np.argsort(order[in_time])]
            for count in (1, 3):
                given = [row for row in part.labelled[count] if keys[row] == key]
                assert given == in_time[:count].tolist()


def test_a_single_recording_is_halved_by_its_taps():
    keys, order = np.array([0, 0, 1, 1, 0]), np.array([4, 0, 3, 1, 2])
    (part,) = first_taps(keys, Rows(np.repeat("s", 5), np.repeat("r", 5), order), (1, 2))
    assert part.labelled[1].tolist() == part.labelled[2].tolist() == [1, 3]
    assert part.tested.tolist() == [4, 2, 0]


def test_the_curve_starts_at_the_model_as_it_is_and_counts_what_it_used():
    rng = np.random.default_rng(8)
    parts = [session(rng, 6, shift) for shift in ((6, 5), (-7, 4))]
    keys, seen = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    sessions = np.repeat(["s1", "s2"], len(keys) // 2)
    # Every key has six taps in a row: three in each recording.
    recordings = np.tile(np.repeat(["r1", "r2"], 3), len(keys) // 6)
    outputs, rows = Outputs(by_place(seen), seen), in_turn(sessions, recordings)
    curve = adaptation_curve(outputs, keys, rows, PLACES, (1, 2))
    assert [row["learned_from"] for row in curve] == ["nothing", "unlabelled", *["labelled"] * 2]
    assert [row["taps_per_key"] for row in curve] == [0, None, 1, 2]
    assert [row["labelled"] for row in curve] == [0, 0, 2 * 33, 4 * 33]
    assert [row["unlabelled"] for row in curve] == [0, 6 * 33, 0, 0]
    assert {row["tested"] for row in curve} == {6 * 33}
    tested = recordings == "r2"
    assert curve[0]["accuracy"] == accuracy(outputs.probabilities[tested], keys[tested])
    early = [np.flatnonzero((sessions == name) & (recordings == "r1")) for name in ("s1", "s2")]
    right = [
        fit_unlabelled(outputs.of(rows), PLACES).scores(outputs.of(rows + 3)).argmax(axis=1)
        == keys[rows + 3]
        for rows in early
    ]
    assert curve[1]["accuracy"] == np.mean(right) > curve[0]["accuracy"] + 0.05
    assert curve[2]["accuracy"] > curve[0]["accuracy"] + 0.1


def test_what_is_learned_without_labels_is_of_the_earlier_taps_alone():
    """Only the later ones seem to be elsewhere, so that nothing helps with them."""
    keys, seen = session(np.random.default_rng(8), 6)
    recordings = np.tile(np.repeat(["r1", "r2"], 3), len(keys) // 6)
    seen[recordings == "r2"] += (7, -6)
    outputs = Outputs(by_place(seen), seen)
    rows = in_turn(np.repeat("s1", len(keys)), recordings)
    before, after = adaptation_curve(outputs, keys, rows, PLACES, ())
    assert after["learned_from"] == "unlabelled"
    assert abs(after["accuracy"] - before["accuracy"]) < 0.05
    later = outputs.of(recordings == "r2")
    helped = fit_unlabelled(later, PLACES).scores(later)
    assert accuracy(helped, keys[recordings == "r2"]) > before["accuracy"] + 0.1


@pytest.mark.parametrize("kind", ["network", "forest"])
def test_stages_from_a_models_folder_to_the_curve(request, study, tmp_path, kind):
    folder, _, datasets = study
    if kind == "forest":
        training = [path for name, path in datasets.items() if name != "Ana"]
        chosen = ("--kind", "level_forest", "--trees", 5)
        where = ("--datasets", *training, "--output", tmp_path / "model")
        stage("baseline", "--fold", folder, *chosen, *where)
    model = tmp_path / "model" if kind == "forest" else request.getfixturevalue("network")
    where = ("--fold", folder, "--taps-per-key", 1, 99)
    results = []
    for name in ("first", "second"):
        output = tmp_path / name
        stage(
            "adaptation-scores",
            "--model",
            model,
            *where,
            "--test-datasets",
            datasets["Ana"],
            "--output",
            output,
        )
        results.append(read_tsv(output / "adaptation.tsv"))
    rows = results[0]
    assert results[1] == rows
    # A forest tells no places, which all that is learned without labels is about.
    ways = ["0", "1", "99"] if kind == "forest" else ["0", "", "1", "99"]
    assert [row["taps_per_key"] for row in rows] == ways
    labelled = [row for row in rows if row["learned_from"] == "labelled"]
    assert {row["participant"] for row in rows} == {"Ana"}
    taps = len(load_dataset_folder(datasets["Ana"]).data)
    assert int(rows[-1]["labelled"]) + int(rows[-1]["tested"]) == taps
    assert 0 < int(labelled[0]["labelled"]) < int(labelled[-1]["labelled"])
    stage(
        *("adaptation-curve", "--experiment", "e", "--adaptations", tmp_path / "first"),
        *("--output", tmp_path / "curve"),
    )
    curve = read_tsv(tmp_path / "curve" / "curve.tsv")
    for row in rows:
        way = [row[name] for name in ("learned_from", "taps_per_key")]
        own, mean = (r for r in curve if [r["learned_from"], r["taps_per_key"]] == way)
        assert (own["participant"], mean["participant"]) == ("Ana", "mean")
        assert (own["accuracy"], own["accuracy_sd_over_seeds"]) == (row["accuracy"], "")
        assert (mean["accuracy"], mean["accuracy_low"]) == (own["accuracy"], "")
    for ending in ("png", "pdf", "html"):
        assert (tmp_path / "curve" / f"curve.{ending}").stat().st_size > 1000


def test_the_interval_of_the_curve_is_over_participants(tmp_path):
    scores = {"Ana": 0.8, "Bo": 0.9, "Chen": 0.6}
    folders = []
    for person, score in scores.items():
        folder = tmp_path / person
        folder.mkdir()
        lines = ["\t".join(COLUMNS)]
        for seed in (0, 1):
            for count in (0, 1):
                value = score + 0.05 * count + 0.01 * seed
                way = (("nothing", "labelled")[count], count, 34 * count, 0)
                lines.append("\t".join(map(str, (person, seed, *way, 100, value, value))))
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
    assert float(rows[0]["accuracy_sd_over_seeds"]) == pytest.approx(0.01 / 2**0.5, abs=1e-4)
    means = [row for row in rows if row["participant"] == "mean"]
    assert [float(row["accuracy"]) for row in means] == pytest.approx([0.7717, 0.8217], abs=1e-4)
    of_seeds = [{"0": score + 0.05, "1": score + 0.06} for score in scores.values()]
    low, high = mean_interval(of_seeds)
    assert float(means[1]["accuracy_low"]) == pytest.approx(low, abs=1e-4)
    assert float(means[1]["accuracy_high"]) == pytest.approx(high, abs=1e-4)


def test_what_several_folds_test_of_a_person_is_one_score(tmp_path):
    folders = []
    for fold, (tested, right) in enumerate([(100, 0.9), (300, 0.5)]):
        folder = tmp_path / str(fold)
        folder.mkdir()
        values = ("Ana", 0, "labelled", 1, 30, 0, tested, right, right)
        lines = ["\t".join(map(str, row)) for row in (COLUMNS, values)]
        (folder / "adaptation.tsv").write_text("\n".join(lines) + "\n")
        folders.append(folder)
    stage(
        *("adaptation-curve", "--experiment", "e", "--adaptations", *folders),
        *("--output", tmp_path / "curve"),
    )
    own, mean = read_tsv(tmp_path / "curve" / "curve.tsv")
    assert [own[name] for name in ("labelled", "tested", "accuracy")] == ["60", "400", "0.6000"]
    assert (mean["accuracy"], mean["accuracy_low"]) == ("0.6000", "")


def test_a_session_of_one_tap_is_left_as_it_is():
    """There is none to learn from."""
    keys = np.array([3])
    outputs = Outputs(np.eye(len(PLACES.labels))[keys], None)
    rows = in_turn(np.array(["s1"]), np.array(["r"]))
    curve = adaptation_curve(outputs, keys, rows, PLACES, (1, 2))
    assert [row["labelled"] + row["unlabelled"] for row in curve] == [0, 0, 0]
    assert {(row["tested"], row["accuracy"]) for row in curve} == {(1, 1.0)}
