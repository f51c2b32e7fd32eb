"""What reruns after a change, and what does not."""

import os
import shutil
from contextlib import contextmanager

from running import SMALL_RUN, snakemake


def planned(finished):
    run = snakemake(finished, [*SMALL_RUN, "-n"], finished)
    assert run.status == 0, run.text
    return run.planned


@contextmanager
def edited(path, old, new):
    before = path.read_bytes()
    text = before.decode()
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(before)


def test_touching_a_recording_spares_the_model_that_holds_its_participant_out(finished):
    wav = next((finished / "results" / "simulated" / "study").glob("Maria_*/01.acoustic/*.wav"))
    before = wav.stat()
    os.utime(wav)
    try:
        jobs = planned(finished)
    finally:
        os.utime(wav, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [job["participant"] for job in jobs["segment"]] == ["Maria"]
    assert len(jobs["segment"]) == 1
    assert {job["participant"] for job in jobs["encode"]} == {"Maria"}
    for rule in ("fold", "train", "baseline"):
        assert {job["fold"] for job in jobs[rule]} == {"Chen", "Tony"}, rule
    assert {job["fold"] for job in jobs["evaluate"]} == {"Chen", "Maria", "Tony"}
    assert "simulate" not in jobs


def test_comments_docstrings_and_layout_rerun_nothing(finished):
    package = finished / "workflow" / "tap2key"
    with (
        edited(
            package / "datasets" / "representations.py",
            "HIGHPASS_ORDER = 2",
            "# of its corner\n\nHIGHPASS_ORDER = 2",
        ),
        edited(package / "training" / "train.py", '"""Stage `train`', '"""The stage `train`'),
        edited(package / "signal" / "detection.py", '"""', '"""Now: '),
    ):
        assert planned(finished) == {}


def test_a_line_of_encodings_reruns_from_encode(finished):
    package = finished / "workflow" / "tap2key"
    encodings = package / "datasets" / "representations.py"
    with edited(encodings, "HIGHPASS_ORDER = 2", "HIGHPASS_ORDER = 3"):
        jobs = planned(finished)
    assert set(jobs) == {
        *("encode", "fold", "train", "baseline"),
        *(
            "evaluate",
            "draw",
            "adaptation_scores",
            "adaptation_curve",
            "summarize",
            "compare",
            "learning_curves",
        ),
        *("choose", "record", "cards", "answer", "all"),
    }
    assert len(jobs["encode"]) == 6


def test_a_setting_reruns_what_depends_on_it(finished):
    with edited(finished / "small.yaml", "epochs: 12", "epochs: 13"):
        jobs = planned(finished)
    assert set(jobs) == {
        *(
            "train",
            "evaluate",
            "draw",
            "adaptation_scores",
            "adaptation_curve",
            "summarize",
            "compare",
        ),
        *("learning_curves", "choose", "record", "cards", "answer", "all"),
    }
    assert {job["experiment"] for job in jobs["evaluate"]} == {"network"}


def test_a_lost_model_is_made_again_and_nothing_before_it(finished):
    model = finished / "results" / "models" / "level-forest" / "Tony" / "seed-0"
    hidden = model.with_name("hidden")
    model.rename(hidden)
    try:
        jobs = planned(finished)
    finally:
        hidden.rename(model)
    assert jobs["baseline"] == [{"experiment": "level-forest", "fold": "Tony", "seed": "0"}]
    assert set(jobs) == {
        *("baseline", "evaluate", "draw", "adaptation_scores", "adaptation_curve", "summarize"),
        *("choose", "compare", "record", "cards", "answer", "all"),
    }


def test_what_a_user_put_beside_an_output_stays_when_that_is_made_anew(finished):
    """Snakemake deletes the declared files first, also the one that tells whose folder it is."""
    results = finished / "results"
    notes = [results / "overview" / "notes.txt", results / "run" / "old" / "notes.txt"]
    for note in notes:
        note.parent.mkdir(exist_ok=True)
        note.write_text("look at Chen's drift")
    try:
        run = snakemake(finished, [*SMALL_RUN, "--forcerun", "overview"], finished)
        assert run.status == 0, run.text[-3000:]
        assert {"overview", "record"} <= set(run.jobs)
        assert [note.read_text() for note in notes] == ["look at Chen's drift"] * 2
    finally:
        notes[0].unlink()
        shutil.rmtree(notes[1].parent)
