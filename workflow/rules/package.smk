"""Where the Python package is: beside these rules, or, of rules from a repository, installed."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

beside = Path(str(workflow.current_basedir)).parent
if (beside / "tap2key" / "__init__.py").is_file():
    sys.path.insert(0, str(beside))

try:
    import tap2key
except ImportError:
    raise WorkflowError(
        "The rules come from a repository, and the Python package tap2key is not installed here: clone the "
        "repository at the same version, `make install` in it, and activate its .venv; see docs/deploying.md"
    ) from None

from tap2key.core.shipped import CONFIG, PROJECT

# A module's rules may be of another version than what is installed.
stated, installed = (
    Path(file).read_text(encoding="utf-8").strip()
    for file in (workflow.source_path("../tap2key/__init__.py"), tap2key.__file__)
)
if stated != installed:
    raise WorkflowError(
        f"The rules are of another version of tap2key than the package, which is {tap2key.__version__} in "
        f"{PROJECT}: give the module that version's tag, or install the rules' version"
    )
