import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from benchmark import fuzz_studies
from benchmark.fuzz import base, mutant, oracle, product
from benchmark.fuzz.registry import MUTATIONS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("fuzz")
    base.make_base(found)
    return found


def study(folder, tmp_path):
    """The base study under a new root, with nothing mutated."""
    known = fuzz_studies.baseline(folder)[0]
    return mutant.Mutant(known, tmp_path / "here", np.random.default_rng(0))


def complaints(folder, made, outcome=None, before=None):
    _, known, labels = fuzz_studies.baseline(folder)
    before = before or oracle.snapshot(made.root, made.results)
    outcome = outcome or product.run(made, 60, known)
    return list(oracle.failures(made, outcome, before, labels))


def test_mutated_studies_give_right_labels_or_one_line(folder):
    reports = [fuzz_studies.fuzz(seed, folder) for seed in range(40)]
    assert [(r.seed, r.mutations, r.failures) for r in reports if r.failures] == []
    # Neither refuses everything nor takes anything.
    assert {r.ending for r in reports} == {
        fuzz_studies.REFUSED,
        fuzz_studies.LEFT_OUT,
        fuzz_studies.USED,
    }


def test_a_failure_is_printed_with_the_command_that_repeats_it(folder, monkeypatch, capsys):
    own = [f"--keep={folder}", "--workers=1"]
    options = [*own, "--only", "junk_of_systems", "session_renamed", "--most=1"]

    def leaking(made, *_):
        return ["leak: x"] if made.rng.random() < 0.5 else []

    monkeypatch.setattr(fuzz_studies, "failures", leaking)
    with pytest.raises(SystemExit) as end:
        fuzz_studies.main(["--studies", "8", *options])
    printed = capsys.readouterr().out
    again = [line.split("fuzz_studies ")[1] for line in printed.splitlines() if "again: " in line]
    assert end.value.code == 1
    assert 0 < len(again) < 8
    assert printed.splitlines()[-1].endswith(f"; {len(again)} of 8 studies failing")
    for command in again:
        with pytest.raises(SystemExit) as end:
            fuzz_studies.main([*command.split(), *own])
        assert end.value.code == 1
        assert capsys.readouterr().out.endswith("; 1 of 1 studies failing\n")


def test_the_same_seed_makes_the_same_study(folder):
    first, again = (fuzz_studies.fuzz(11, folder, keep=True) for _ in range(2))
    assert first == again
    shutil.rmtree(folder / "study-11")


def test_every_mutation_changes_something(folder, tmp_path):
    for number, one in enumerate(MUTATIONS.values()):
        made = study(folder, tmp_path / str(number))
        before = oracle.snapshot(made.root, made.results)
        named = (made.results, made.latency_s)
        one.apply(made)
        after = oracle.snapshot(made.root, tmp_path)
        assert before != after or named != (made.results, made.latency_s), one.name
        shutil.rmtree(made.root)


def test_the_base_study_itself_is_in_order(folder, tmp_path):
    assert complaints(folder, study(folder, tmp_path)) == []


def test_a_mutation_that_finds_nothing_expects_nothing(folder, tmp_path):
    made = study(folder, tmp_path)

    def nowhere(changed):
        changed.mark(changed.study, mutant.Expect.RIGHT, refusable=True)
        changed.withdrawn.add("x")
        raise mutant.NotHere

    assert not made.attempt(nowhere)
    assert (made.expect, made.refusable, made.withdrawn, made.involved) == ({}, False, set(), set())
    assert made.attempt(lambda changed: changed.mark(changed.study, mutant.Expect.RIGHT))
    assert set(made.expect) == set(made.base.truths)


def outcome_of(folder, tmp_path):
    made = study(folder, tmp_path)
    _, known, _ = fuzz_studies.baseline(folder)
    return made, product.run(made, 60, known)


def test_a_label_from_another_taps_touch_is_noticed(folder, tmp_path):
    made, outcome = outcome_of(folder, tmp_path)
    taps = outcome.used[0].taps
    other = next(tap for tap in taps if tap.label != taps[0].label)
    outcome.used[0] = replace(
        outcome.used[0], taps=[replace(taps[0], label=other.label, x=other.x, y=other.y), *taps[1:]]
    )
    assert any(c.startswith("wrong labels: 1 ") for c in complaints(folder, made, outcome))


def test_the_same_taps_under_two_names_are_noticed(folder, tmp_path):
    made, outcome = outcome_of(folder, tmp_path)
    own = outcome.used[0].recording
    copy = own.path.parents[2] / "Bob_01_27_23" / "01.acoustic" / own.path.name
    copy.parent.mkdir(parents=True)
    shutil.copy(own.path, copy)
    taken = replace(own, participant="Bob", path=copy)
    outcome.used.append(replace(outcome.used[0], recording=taken))
    found = complaints(folder, made, outcome)
    assert [c for c in found if c.startswith("leak: ")]


@pytest.mark.parametrize("name", ["01.acoustic/part2/a.wav", "01.Acoustic/a.WAV", "a_nnode_1.csv"])
def test_what_is_neither_used_nor_listed_is_noticed(folder, tmp_path, name):
    made, outcome = outcome_of(folder, tmp_path)
    path = made.sessions()[0] / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"1")
    where = path.relative_to(made.study)
    assert f"passed over: {where}" in complaints(folder, made, outcome)
    outcome.listed = f"{path}\tnot in its place\n"
    assert f"passed over: {where}" not in complaints(folder, made, outcome)


@pytest.mark.parametrize("what", ["bytes", "rights", "name", "gone", "made"])
def test_a_change_to_the_study_is_noticed(folder, tmp_path, what):
    made, outcome = outcome_of(folder, tmp_path)
    path = made.touch_logs()[0]
    before = oracle.snapshot(made.root, made.results)
    match what:
        case "bytes":
            made.write(path, path.read_bytes().replace(b"Down", b"down", 1))
        case "rights":
            # The file is the base study's own by another name.
            path.chmod(0o600)
        case "name":
            path.rename(path.with_name("b_nnode.csv"))
        case "gone":
            path.unlink()
        case "made":
            (made.root / "study.tsv").touch()
    found = complaints(folder, made, outcome, before)
    if what == "rights":
        path.chmod(0o644)
    assert [c for c in found if c.startswith("study ")]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (product.Outcome(refusal="wrong"), "refused without need"),
        (product.Outcome(refusal="a\nb"), "more than one line"),
        (product.Outcome(crash="ValueError in study.py:1: x"), "crash"),
        (product.Outcome(printed="hello"), "printed"),
        (product.Outcome(), "labels lost"),
    ],
)
def test_other_ends_that_are_not_in_order_are_noticed(folder, tmp_path, outcome, kind):
    found = complaints(folder, study(folder, tmp_path), outcome)
    assert [c for c in found if c.startswith(f"{kind}: ")]


def test_a_study_that_takes_too_long_is_a_failure(folder, tmp_path, monkeypatch):
    def forever(*_, **__):
        while True:
            json.dumps({})

    monkeypatch.setattr(product, "make_plan", forever)
    outcome = product.run(study(folder, tmp_path), 0.2, {})
    assert outcome.crash == "took longer than 0 s"
