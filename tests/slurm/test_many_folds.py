"""A job that gathers thousands of folds, whose names are longer than a command line may be."""

from statistics import mean

import pandas as pd
import pytest
import yaml
from running import copy_workflow
from submitting import FOLDER

from tap2key.core.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
# Whose models get which share of tests all right: one of two, three, five. The others get none, so
# that a mean tells of each single fold whether it was left out.
PEOPLE = {"Chen": 2, "Maria": 3, "Tony": 5}
SEEDS = range(667)
RESULTS = "/".join(letter * 250 for letter in "abcde")
# Linux, with its usual stack.
LONGEST_COMMAND_LINE = 2 * 1024**2
COLUMNS = (
    *("participant", "seed", "learned_from", "taps_per_key", "labelled", "unlabelled", "tested"),
    *("accuracy", "macro_f1"),
)


def accuracy(person: str, seed: int) -> float:
    return float(seed % PEOPLE[person] == 0)


def test_a_job_takes_all_of_two_thousand_folds(start, finished, tmp_path):
    root = copy_workflow(tmp_path, FOLDER)
    study = finished / "results" / "simulated" / "study"
    many = {"inherit": "level-forest", "seeds": list(SEEDS)}
    config = {"select_experiments": ["many"], "experiments": {"many": many}}
    config |= {"study": str(study), "results": RESULTS}
    (root / "many.yaml").write_text(yaml.safe_dump(config))
    folder = root / RESULTS / "adaptation" / "many"
    folds = [folder / person / f"seed-{seed}" for person in PEOPLE for seed in SEEDS]
    assert sum(len(str(fold.relative_to(root))) for fold in folds) > LONGEST_COMMAND_LINE
    for fold in folds:
        person, seed = fold.parent.name, int(fold.name.removeprefix("seed-"))
        scores = (accuracy(person, seed), 0.5)
        fold.mkdir(parents=True)
        row = pd.DataFrame([(person, seed, "nothing", 0, 0, 0, 10, *scores)], columns=COLUMNS)
        row.to_csv(fold / "adaptation.tsv", sep="\t", index=False)
    # What comes before is taken as made: two thousand models are no matter of a test.
    alone = ("--allowed-rules", "adaptation_curve")
    target = f"{RESULTS}/adaptation/many/curve.tsv"
    run = start(root, "--configfile", "many.yaml", *alone, "--", target).wait()
    assert run.status == 0, run.text[-3000:]
    assert run.jobs == {"adaptation_curve": 1}
    assert len(run.slurm_jobs) == 1
    found = pd.read_csv(folder / "curve.tsv", sep="\t").set_index("participant").accuracy
    expected = {person: mean(accuracy(person, seed) for seed in SEEDS) for person in PEOPLE}
    expected["mean"] = mean(expected.values())
    assert found.to_dict() == pytest.approx(expected, abs=1e-4)
    assert len(read_json(folder / "provenance.json")["inputs"]) == len(folds)
