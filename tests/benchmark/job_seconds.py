"""Measure what each rule's jobs take, for the table that `cost` falls back on.

    python tests/benchmark/job_seconds.py --output FOLDER

Runs two simulated studies one job at a time, alike but for the number of taps, and writes
workflow/tap2key/orchestration/job_seconds.tsv. The machine should have nothing else to do.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

from tap2key.core.files import write_tsv  # noqa: E402
from tap2key.orchestration.cost import model_use  # noqa: E402
from tap2key.orchestration.dry_run import jobs_to_do  # noqa: E402
from tap2key.orchestration.job_seconds import (  # noqa: E402
    COLUMNS,
    SHIPPED_TABLE,
    measured_lines,
    workload_of_finished,
)

TAPS_OF_RECORDING = (40, 160)
# Every kind of model once.
CONFIG = """
results: {results}
simulate: {{participants: 2, sessions: 2, recordings: 1, taps: {taps}, seed: 1, subtype: PCM_16}}
select_experiments:
  [wav2vec2, convolutional, learned-gcc, gcc-phat-forest, level-forest, mfcc-forest, pairs-forest,
   pairs-svm]
experiment_defaults: {{validation: {{by: session}}}}
experiments:
  wav2vec2: {{inherit: aligned-48000, training: {{epochs: 10}}}}
  convolutional: {{inherit: wav2vec2, kind: convolutional}}
  learned-gcc: {{inherit: wav2vec2, kind: learned_gcc}}
  mfcc-forest: {{inherit: gcc-phat-forest, kind: mfcc_forest}}
  pairs-forest: {{inherit: pairs-48000, kind: pairs_forest}}
  pairs-svm: {{inherit: pairs-48000, kind: pairs_svm}}
"""


def main() -> None:
    """Run both studies and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for both studies")
    output = parser.parse_args().output
    runs = []
    for taps in TAPS_OF_RECORDING:
        results = output / f"taps-{taps}"
        config = output / f"taps-{taps}.yaml"
        output.mkdir(parents=True, exist_ok=True)
        config.write_text(CONFIG.format(results=results, taps=taps), encoding="utf-8")
        command = ("-m", "snakemake", "-s", ROOT / "Snakefile", "--cores", "1")
        subprocess.run([sys.executable, *command, "--configfile", config], check=True)
        runs.append((results / "benchmarks", workload_of_finished(results)))
    use = model_use(jobs_to_do([config], {}, everything=True), str(results))
    rows = [
        {
            **key._asdict(),
            "jobs": line.jobs,
            "base_s": f"{line.base:.3g}",
            "s_per_unit": f"{line.slope:.3g}",
        }
        for key, line in measured_lines(runs, use, {}).items()
    ]
    write_tsv(SHIPPED_TABLE, rows, COLUMNS)


if __name__ == "__main__":
    main()
