"""What a newcomer relies on to find things, and the import contract cannot say."""

import ast

import pytest
from running import ROOT

from tap2key.__main__ import STAGES
from tap2key.core.code_hash import PACKAGE_ROOT

ROOMS = sorted(path.parent.name for path in PACKAGE_ROOT.glob("*/__init__.py"))
MODULES = sorted(path for path in PACKAGE_ROOT.rglob("*.py") if path.stem != "__init__")
TESTS = ROOT / "tests" / "unit"
# Some 200 lines read in one sitting; 14 names are taken in at a glance.
MOST_LINES = 300
MOST_MODULES = 14
# What is larger, each with its reason; whoever splits one takes it out.
TOO_LONG = {
    "segmentation/preview_picture.py": "one picture, drawn from top to bottom",
    "signal/channel_health.py": "a third of it says what each threshold was measured on",
}
TOO_MANY = {
    "core": "what every room needs, each thing of its own",
    "models": "networks and baselines, and what adapts either",
    "reports": "a module for each picture beside one for each stage",
    "segmentation": "eight modules find the clock, three draw the preview",
    "simulation": "two modules judge what the others make",
    "study": "each source of truth has its reader, and three read study.tsv and names",
    "training": "three stages, and five modules that make one run of several processes",
}
# The stage prints one part of its room.
OTHER_NAMES = {"config": "documentation"}


def name_of(path):
    return path.relative_to(PACKAGE_ROOT).as_posix()


def lines_of(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def test_every_stage_lives_in_the_module_of_its_name():
    homes = {stage: module.rsplit(".", 1)[1] for stage, (module, _) in STAGES.items()}
    assert homes == {stage: OTHER_NAMES.get(stage, stage.replace("-", "_")) for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stages_module_stands_in_a_room_and_has_what_the_command_line_calls(stage):
    package, room, module = STAGES[stage][0].split(".")
    assert (package, room in ROOMS) == ("tap2key", True)
    tree = ast.parse((PACKAGE_ROOT / room / f"{module}.py").read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"add_arguments", "main"} <= functions


def test_only_the_command_line_and_folds_for_python_stand_outside_the_rooms():
    outside = {path.name for path in PACKAGE_ROOT.iterdir() if path.suffix == ".py"}
    assert outside == {"__init__.py", "__main__.py", "dataset.py"}


@pytest.mark.parametrize(
    "path", [PACKAGE_ROOT, *(PACKAGE_ROOT / room for room in ROOMS)], ids=lambda path: path.name
)
def test_a_package_says_what_it_is_for_and_nothing_else(path):
    tree = ast.parse((path / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1 or path == PACKAGE_ROOT  # which has the version


def test_no_module_is_too_long_to_be_read_in_one_sitting():
    long = {name_of(path) for path in MODULES if lines_of(path) > MOST_LINES}
    assert long == set(TOO_LONG)


def test_no_room_is_too_full():
    counts = {room: len(list((PACKAGE_ROOT / room).glob("*.py"))) - 1 for room in ROOMS}
    assert {room for room, count in counts.items() if count > MOST_MODULES} == set(TOO_MANY)


def test_tests_stand_in_the_rooms_of_what_they_test():
    assert {path.name for path in TESTS.iterdir() if path.is_dir() and list(path.glob("*.py"))} == {
        *ROOMS
    }
    files = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(files) == len(set(files))
