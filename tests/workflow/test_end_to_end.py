"""A small simulated study through every stage, against the simulator's truth."""

import base64
import csv
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from running import SMALL_RUN, snakemake
from sklearn.metrics import accuracy_score, f1_score

from tap2key.__main__ import main

PEOPLE = ["Chen", "Maria", "Tony"]
EXPERIMENTS = ["network", "level-forest"]
# Three people with two sessions each, two experiments of which one is a network.
JOBS = {
    **{"simulate": 6, "segment": 6, "preview": 6, "encode": 6},
    **{"fold": 6, "train": 3, "baseline": 3, "evaluate": 6, "draw": 6},
    **{"adaptation_scores": 6, "summarize": 2, "adaptation_curve": 2, "learning_curves": 1},
    **{"cards": 2, **dict.fromkeys(["overview", "choose", "compare", "answer", "record"], 1)},
}
DRAWN = {
    *("confusion.png", "confusion.pdf", "keyboard.png", "keyboard.pdf", "keys.html", "keys.tsv"),
}
RUNS = [(experiment, person) for experiment in EXPERIMENTS for person in PEOPLE]


def table(path):
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def taps_of(finished, person):
    folders = sorted((finished / "results" / "taps" / person).iterdir())
    return pd.concat([pd.read_parquet(f / "taps.parquet") for f in folders], ignore_index=True)


@pytest.mark.parametrize("person", PEOPLE)
def test_taps_carry_the_key_of_the_touch_that_made_them(finished, person):
    truth = pd.concat(
        pd.read_parquet(p)
        for p in (finished / "results" / "simulated" / "truth").glob(
            f"{person}_*/true_taps.parquet"
        )
    )
    right = found = 0
    labelled = taps_of(finished, person).dropna(subset="label")
    for recording, taps in labelled.groupby("recording"):
        true = truth[truth.recording == recording].sort_values("time_s")
        nearest = np.abs(true.time_s.to_numpy()[:, None] - taps.time_s.to_numpy()).argmin(axis=0)
        found += len(taps)
        right += (true.touch_label.to_numpy()[nearest] == taps.label.to_numpy()).sum()
    assert found >= 0.95 * truth.touched.sum()
    assert right >= 0.99 * found


@pytest.mark.parametrize(("experiment", "person"), RUNS)
def test_every_labelled_tap_of_the_held_out_participant_is_scored_once(
    finished, experiment, person
):
    folder = finished / "results" / "evaluations" / experiment / person / "seed-0"
    predictions = pq.read_table(folder / "predictions.parquet")
    labels = predictions.schema.metadata[b"labels"].decode().split("\t")
    frame = predictions.to_pandas()
    identity = ["participant", "session", "recording", "tap"]
    taps = taps_of(finished, person).dropna(subset="label")
    expected = taps.set_index(identity).label
    assert frame.set_index(identity).truth.to_dict() == expected.to_dict()
    chances = np.stack(frame.probabilities)
    assert np.allclose(chances.sum(axis=1), 1, atol=1e-5)
    assert (np.array(labels)[chances.argmax(axis=1)] == frame.prediction).all()
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["accuracy"] == pytest.approx(accuracy_score(frame.truth, frame.prediction))
    macro = f1_score(
        frame.truth, frame.prediction, labels=frame.truth.unique(), average="macro", zero_division=0
    )
    assert metrics["macro_f1"] == pytest.approx(macro)
    counts = pd.read_csv(folder / "confusion.tsv", sep="\t", index_col=0, quoting=3)
    assert counts.to_numpy().sum() == len(frame)
    assert np.trace(counts.to_numpy()) == (frame.truth == frame.prediction).sum()


@pytest.mark.parametrize(("experiment", "person"), RUNS)
def test_the_held_out_participant_touches_nothing(finished, experiment, person):
    fold = finished / "results" / "folds" / experiment / person / "seed-0"
    train, validation = (
        pd.read_parquet(fold / f"{side}.parquet") for side in ("train", "validation")
    )
    others = set(PEOPLE) - {person}
    assert set(train.participant) == others
    assert set(validation.participant) <= others
    sessions = [set(zip(f.participant, f.session, strict=True)) for f in (train, validation)]
    assert not sessions[0] & sessions[1]
    model = finished / "results" / "models" / experiment / person / "seed-0"
    assert json.loads((model / "tap2key.json").read_text())["trained_on"] == sorted(others)
    assert person not in (model / "provenance.json").read_text().replace(
        f"folds/{experiment}/{person}/", ""
    )


@pytest.mark.parametrize("person", PEOPLE)
def test_models_load_with_stock_transformers_and_hold_no_pickle(finished, person):
    from transformers import pipeline

    model = finished / "results" / "models" / "network" / person / "seed-0"
    assert not [p.name for p in model.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".pkl")]
    classify = pipeline("audio-classification", model=str(model), top_k=34)
    tap = np.random.default_rng(0).standard_normal(8 * 288).astype(np.float32)
    answer = classify({"raw": tap, "sampling_rate": 48_000})
    assert len(answer) == 34
    assert sum(entry["score"] for entry in answer) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("person", PEOPLE)
def test_what_a_search_tried_is_beside_the_model(finished, person):
    tried = table(finished / f"results/models/level-forest/{person}/seed-0/search.tsv")
    assert sorted(row["trees"] for row in tried) == ["40", "50"]
    assert [row["chosen"] for row in tried].count("yes") == 1
    scores = {row["chosen"]: float(row["validation_macro_f1"]) for row in tried}
    assert scores["yes"] >= scores["no"]
    assert not (finished / f"results/models/network/{person}/seed-0/search.tsv").exists()


def test_the_summary_is_the_mean_over_participants(finished):
    for experiment in EXPERIMENTS:
        rows = table(finished / "results" / "summary" / experiment / "participants.tsv")
        assert [row["participant"] for row in rows] == [*PEOPLE, "mean"]
        scores = [
            json.loads(
                (
                    finished / "results/evaluations" / experiment / person / "seed-0/metrics.json"
                ).read_text()
            )["macro_f1"]
            for person in PEOPLE
        ]
        assert float(rows[-1]["macro_f1"]) == pytest.approx(np.mean(scores), abs=1e-4)
    compared = table(finished / "results" / "summary" / "experiments.tsv")
    assert [row["experiment"] for row in compared] == EXPERIMENTS
    (named,) = table(finished / "results" / "summary" / "comparisons.tsv")
    assert (named["family"], named["participants"]) == ("chosen", "3")
    assert [named["experiment"], named["against"]] == ["network", "level-forest"]
    assert named["verdict"] == "cannot be significant: needs n ≥ 6 participants, has 3"
    mean = [float(row["macro_f1"]) for row in compared]
    assert float(named["mean_difference"]) == pytest.approx(mean[0] - mean[1], abs=2e-4)


@pytest.mark.parametrize(("experiment", "person"), RUNS)
def test_adaptation_starts_from_the_models_own_predictions(finished, experiment, person):
    """With no labelled tap, what is scored of the later recordings is what `evaluate` named."""
    results = finished / "results"
    run_name = f"{experiment}/{person}/seed-0"
    scored = pd.read_parquet(results / "evaluations" / run_name / "predictions.parquet")
    rows = table(results / "adaptation" / run_name / "adaptation.tsv")
    labelled = [row for row in rows if row["learned_from"] == "labelled"]
    assert [row["taps_per_key"] for row in labelled] == ["1", "2", "5"]
    # Of its session's only recording the later half, in time.
    sessions = scored.groupby("session").tap
    tested = sessions.rank() > sessions.transform("size") // 2
    (start,) = [row for row in rows if row["taps_per_key"] == "0"]
    assert int(start["tested"]) == tested.sum() < len(scored)
    right = (scored.truth == scored.prediction)[tested]
    assert float(start["accuracy"]) == pytest.approx(right.mean(), abs=5e-5)
    curve = table(results / "adaptation" / experiment / "curve.tsv")
    (mean,) = [r for r in curve if (r["participant"], r["taps_per_key"]) == (person, "0")]
    assert mean["accuracy"] == start["accuracy"]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_adaptation_curve_has_every_participant_and_their_mean(finished, experiment):
    curve = table(finished / "results" / "adaptation" / experiment / "curve.tsv")
    without_labels = [""] if experiment == "network" else []
    assert [(row["participant"], row["taps_per_key"]) for row in curve] == [
        (person, count) for person in [*PEOPLE, "mean"] for count in ["0", *without_labels, *"125"]
    ]


@pytest.mark.parametrize("person", PEOPLE)
def test_predict_names_keys_as_evaluate_does_on_the_same_taps(finished, person, tmp_path):
    """Recordings alone, by the model that held their participant out: the very same keys."""
    results = finished / "results"
    run_name = f"network/{person}/seed-0"
    wavs = sorted((results / "simulated" / "study").glob(f"{person}_*/01.acoustic/*.wav"))
    arguments = ["predict", "--models", results / "models" / run_name, "--recordings", *wavs]
    assert main([*map(str, arguments), "--output", str(tmp_path / "out")]) == 0
    found = pd.read_parquet(tmp_path / "out" / "tapped_keys.parquet")
    scored = pd.read_parquet(results / "evaluations" / run_name / "predictions.parquet")
    identity = ["session", "recording", "tap"]
    scored = scored.merge(taps_of(finished, person)[[*identity, "time_s"]], on=identity)
    both = scored.merge(found, on=["recording", "time_s"], suffixes=("_scored", "_found"))
    assert len(both) == len(scored)
    accuracy = [(both[f"prediction_{which}"] == both.truth).mean() for which in ("scored", "found")]
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.01)
    np.testing.assert_allclose(
        np.stack(both.probabilities_scored), np.stack(both.probabilities_found), atol=1e-3
    )


def test_a_folder_of_new_recordings_is_read_by_all_folds(finished, tmp_path):
    wavs = sorted((finished / "results" / "simulated" / "study").glob("*/01.acoustic/*.wav"))[:2]
    folder = tmp_path / 'Ann\'s "new" ones'
    folder.mkdir()
    for wav in wavs:
        shutil.copy(wav, folder)
    (folder / "broken.wav").touch()
    # Neither can be an input of Snakemake's.
    latin = os.fsdecode("Müller.wav".encode("latin-1"))
    shutil.copy(wavs[0], folder / latin)
    (folder / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    given = json.dumps({"recordings": str(folder), "experiment": "level-forest"})
    target = "results/predictions/level-forest"
    try:
        asked = [*SMALL_RUN, "--config", f"predict={given}", "--", target]
        run = snakemake(finished, asked, finished)
        assert run.status == 0, run.text[-3000:]
        assert set(run.jobs) == {"predict"}
        output = finished / target
        rows = [
            (Path(row["path"]).name, row["status"]) for row in table(output / "read_recordings.tsv")
        ]
        assert sorted(rows) == sorted(
            [
                *((wav.name, "ok") for wav in wavs),
                ("M\\udcfcller.wav", "ok"),
                ("broken.wav", "left out"),
                ("gone.wav", "left out"),
            ]
        )
        about = (output / "provenance.json").read_text()
        assert all(f"level-forest/{person}/seed-0" in about for person in PEOPLE)
        assert len(pd.read_parquet(output / "tapped_keys.parquet")) > 100
    finally:
        for kind in ("logs", "benchmarks"):
            shutil.rmtree(finished / "results" / kind / "predict", ignore_errors=True)
        shutil.rmtree(finished / "results" / "predictions", ignore_errors=True)


def test_the_table_of_experiments_says_what_their_training_took(finished):
    rows = table(finished / "results" / "summary" / "experiments.tsv")
    assert [row["experiment"] for row in rows] == EXPERIMENTS
    assert all(float(row["training_minutes"]) > 0 for row in rows)


def test_every_job_left_a_log_and_a_benchmark(finished):
    results = finished / "results"
    logs = {p.relative_to(results / "logs").with_suffix("") for p in results.glob("logs/**/*.log")}
    benchmarks = {
        p.relative_to(results / "benchmarks").with_suffix("")
        for p in results.glob("benchmarks/**/*.tsv")
    }
    assert Counter(log.parts[0] for log in logs) == JOBS
    assert logs == benchmarks


def test_nothing_half_written_and_no_checkpoint_is_left(finished):
    assert list((finished / "results").rglob(".tmp-*")) == []
    assert [p for p in (finished / "results" / "checkpoints").iterdir() if p.is_dir()] == []


def test_every_folder_of_a_stage_says_which_files_are_its_own(finished):
    """Only these are replaced when the stage runs again."""
    stages = set()
    for path in (finished / "results").rglob("provenance.json"):
        about = json.loads(path.read_text())
        stages.add(about["stage"])
        there = {p.relative_to(path.parent).as_posix() for p in path.parent.rglob("*")}
        assert set(about["files"]) <= there
        if about["stage"] != "adaptation-curve":
            own = {name for name in there if (path.parent / name).is_file()}
            own -= {"provenance.json", ".snakemake_timestamp"}
            # summary/ holds folders of other stages, which say so themselves.
            others = {Path(name).parent.as_posix() for name in own if "/provenance.json" in name}
            own -= {name for name in own if Path(name).parent.as_posix() in others}
            # The draw stage puts its pictures there, which have no hash of their own.
            beside = DRAWN if about["stage"] == "evaluate" else set()
            assert own == set(about["files"]) | beside, path
    assert stages >= {
        *("simulate", "segment", "preview", "encode", "fold", "train", "baseline", "evaluate"),
        *("summarize", "overview", "record"),
        *("choose", "compare", "learning-curves", "cards", "answer"),
    }


def test_a_second_run_has_nothing_to_do(finished):
    run = snakemake(finished, SMALL_RUN, finished)
    assert run.status == 0
    assert "Nothing to be done" in run.text


def test_the_report_holds_every_picture_itself(finished):
    """The bytes of each, so that the report can be moved and opened anywhere."""
    results = finished / "results"
    text = (results / "report.html").read_text(encoding="utf-8")
    pictures = sorted((results / "previews").rglob("*.png"))
    assert len(pictures) == 6
    for experiment, person in RUNS:
        folder = results / "evaluations" / experiment / person / "seed-0"
        pictures += [folder / "confusion.png", folder / "keyboard.png"]
    for picture in pictures:
        # Snakemake's report is a page around one JSON object of all results by path.
        key = f'"{picture.relative_to(finished).as_posix()}": '
        entry, _ = json.JSONDecoder().raw_decode(text, text.index(key) + len(key))
        kind, encoded = entry["data_uri"].split(";base64,")
        assert kind.startswith("data:image/png")
        assert base64.b64decode(encoded) == picture.read_bytes()
        assert entry["caption"]
