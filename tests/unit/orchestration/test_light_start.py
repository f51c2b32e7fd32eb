"""Every job of Snakemake reads the rules and makes the plan first: that must not take long."""

import re
import subprocess
import sys

from running import ROOT

HEAVY = ("scipy", "pyarrow", "pandas", "sklearn", "torch", "transformers", "datasets", "matplotlib")
READS_THE_RULES = """
import sys
from pathlib import Path
from tap2key.config.configuration import read_config
from tap2key.orchestration import planning
{imports}
config = read_config([Path({config!r})]) | {{"results": "results"}}
for main_process in (True, False):
    plan = planning.make_plan(config, main_process)
    for name in plan.experiments:
        plan.folds(name)
print([name for name in {heavy} if name in sys.modules])
"""


def test_reading_the_rules_loads_nothing_heavy(tmp_path):
    """With everything that they import, and the plan of a run, scanned and read again."""
    files = [ROOT / "workflow" / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    imports = re.findall(r"^(?:from tap2key\S* )?import .*$", text, flags=re.M)
    assert any("planning" in line for line in imports)
    code = READS_THE_RULES.format(
        imports="\n".join(imports), config=str(ROOT / "config" / "demo.yaml"), heavy=HEAVY
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
