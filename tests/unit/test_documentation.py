"""What the README and the pages in docs/ point to is there."""

import re
import shlex
from pathlib import Path

import pytest

from tap2key.__main__ import STAGES, parse
from tap2key.evaluation.detection import DETECTION, END_TO_END
from tap2key.evaluation.participant_scores import SCORES

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("config/*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.M)
CODE = re.compile(r"`[^`\n]*`")
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
STAGE = re.compile(r"(?:`|^ {4}|python -m )tap2key ([a-z][a-z-]*)", re.M)
COMMAND = re.compile(r"^ {4}(?:python -m )?tap2key (.+)$", re.M)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
FILES = re.compile(r"`((?:config|docs|envs|profiles|tests|workflow)/[\w./-]+)`")
# Of folders whose files have fixed names.
NAMED = re.compile(r"\bresults/((?:overview|model_selection)/\w+\.\w+)")
MADE = re.compile(r"\{RESULTS\}/(\w+/\w+\.\w+)\"")
MADE_TOGETHER = re.compile(r"\{RESULTS\}/(\w+/)\",((?:\s*\"[\w.]+\",?)+)")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def links(page: Path) -> list[str]:
    prose = CODE.sub("", FENCE.sub("", text_of(page)))
    return [link for link in LINK.findall(prose) if not link.startswith("https://")]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    found = HEADING.findall(FENCE.sub("", text_of(page)))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in found)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_to_a_file_and_a_heading_of_it(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_and_stages_that_are_named_exist(page):
    text = text_of(page)
    for name in FILES.findall(text):
        assert (ROOT / name).exists(), name
    assert set(STAGE.findall(text)) <= set(STAGES)


def test_results_that_pages_and_configurations_name_are_made_by_a_rule():
    rules = "".join(text_of(path) for path in ROOT.glob("workflow/rules/*.smk"))
    made = set(MADE.findall(rules))
    for folder, names in MADE_TOGETHER.findall(rules):
        made |= {folder + name for name in re.findall(r"[\w.]+", names)}
    texts = [text_of(path) for path in (*PAGES, *ROOT.glob("config/**/*.yaml"))]
    named = {name for text in texts for name in NAMED.findall(text)}
    assert len(named) > 3
    assert named <= made


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_of_stages_have_arguments_that_the_stages_take(page):
    for command in COMMAND.findall(text_of(page)):
        assert parse(shlex.split(command)).main


def test_the_measures_of_the_method_are_columns_of_the_tables():
    section = text_of(ROOT / "docs" / "method.md").partition("\n## Measures\n")[2]
    rows = re.findall(r"^\| (`.+?) \|", section.partition("\n## ")[0], re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(SCORES) <= named <= {*SCORES, *DETECTION, END_TO_END}


def test_blocks_of_python_are_python():
    blocks = [block for page in PAGES for block in PYTHON.findall(text_of(page))]
    assert blocks
    for block in blocks:
        compile(block, "page", "exec")


def test_the_pages_give_commands_that_these_tests_try():
    assert len([command for page in PAGES for command in COMMAND.findall(text_of(page))]) >= 5


def test_every_page_is_linked_from_the_readme_which_fits_on_a_few_screens():
    readme = ROOT / "README.md"
    linked = {link.partition("#")[0] for link in links(readme)}
    assert {name for name in NAMES if name.startswith("docs/")} <= linked
    assert len(text_of(readme).splitlines()) <= 150


def test_the_architecture_page_names_every_room():
    rooms = {path.parent.name for path in (ROOT / "workflow" / "tap2key").glob("*/__init__.py")}
    named = re.findall(r"^\| `(\w+)` \|", text_of(ROOT / "docs" / "architecture.md"), re.M)
    assert len(named) == len(set(named))
    assert set(named) == rooms


def test_the_architecture_page_lists_rooms_after_those_that_they_import():
    page = text_of(ROOT / "docs" / "architecture.md")
    order = re.findall(r"^\| `(\w+)` \|", page, re.M)
    for module in (ROOT / "workflow" / "tap2key").glob("*/*.py"):
        room = module.parent.name
        for other in re.findall(r"(?:from|import) tap2key\.(\w+)", text_of(module)):
            assert order.index(other) <= order.index(room), module


def test_modules_that_the_architecture_page_names_exist():
    package = ROOT / "workflow" / "tap2key"
    page = text_of(ROOT / "docs" / "architecture.md")
    named = re.findall(r"`((?:[a-z0-9]+/)[a-z0-9_]+\.py)`", page)
    assert len(named) > 10
    for name in named:
        assert (package / name).is_file(), name
