"""The workflow as a module of another Snakefile, whose jobs are the cluster's."""

import json
import shutil

import pytest
from cluster import said
from running import copy_workflow
from submitting import FOLDER

from tap2key.orchestration.leftover_jobs import RECORD

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
# The last part as docs/deploying.md has it.
OUTER = """
module tap2key:
    snakefile: {snakefile}
    prefix: "tapping"
    config: {config}

use rule * from tap2key as tapping_*

onstart:
    from tap2key.orchestration.snakemake_internals import start
    start(workflow, "tapping/keys")
"""


def test_a_modules_jobs_make_what_its_own_do_and_belong_to_a_run(start, finished, tmp_path):
    root = copy_workflow(tmp_path, FOLDER)
    outer = tmp_path / "Ann's own"
    shutil.copytree(root / "profiles", outer / "profiles")
    # Under a path without double quotes.
    study = tmp_path / "study"
    study.symlink_to(finished / "results" / "simulated" / "study")
    config = {"study": str(study), "results": "keys", "select_experiments": ["level-forest"]}
    text = OUTER.format(snakefile=json.dumps(str(root / "Snakefile")), config=json.dumps(config))
    (outer / "Snakefile").write_text(text)
    made = sorted(finished.glob("results/taps/Chen/*/windows.npy"))
    results = outer / "tapping" / "keys"
    targets = [results / path.relative_to(finished / "results") for path in made]
    run = start(outer, "--", *map(str, targets)).wait()
    assert run.status == 0, run.text[-3000:]
    assert run.jobs == {"tapping_segment": len(made)}
    for target, path in zip(targets, made, strict=True):
        assert target.read_bytes() == path.read_bytes()
    note = json.loads((results / RECORD).read_text())
    assert note["process"] is None
    question = ("squeue", "--noheader", "--states=all", f"--name={note['name']}", "--format=%A %T")
    found = dict(line.split() for line in said(question).splitlines())
    assert found == dict.fromkeys(run.slurm_jobs, "COMPLETED")
    assert len(found) == len(made)
