"""Version, citation, release notes and container recipes are of one release."""

import re

import yaml
from running import ROOT

from tap2key import __version__

CONTAINER = ROOT / "envs" / "container"


def text_of(path):
    return path.read_text(encoding="utf-8")


def test_the_citation_is_of_this_version_and_dated_as_its_release_notes():
    citation = yaml.safe_load(text_of(ROOT / "CITATION.cff"))
    newest = re.search(r"^## \[(\d[\d.]*)\] - (\S+)$", text_of(ROOT / "CHANGELOG.md"), re.M)
    assert citation["version"] == newest[1] == __version__
    assert str(citation["date-released"]) == newest[2]


def test_containers_install_what_make_install_does_on_the_python_of_the_rules():
    python = re.search(r"python=([\d.]+)", text_of(ROOT / "envs" / "learning.yaml"))[1]
    install = "-r envs/requirements.txt -c envs/requirements.lock"
    for name, image in (("Dockerfile", "FROM"), ("tap2key.def", "From:")):
        recipe = text_of(CONTAINER / name)
        assert re.search(rf"^{image} python:{python}-", recipe, re.M)
        assert install in recipe
        assert "--no-deps --no-build-isolation -e ." in recipe
    assert install in text_of(ROOT / "Makefile")


def test_containers_hold_every_part_of_the_workflow():
    ignored = text_of(CONTAINER / "Dockerfile.dockerignore").splitlines()
    for part in ("Snakefile", "workflow", "config", "envs", "profiles", "pyproject.toml"):
        assert f"!{part}" in ignored
        assert f"    {part} /opt/tap2key/{part}" in text_of(CONTAINER / "tap2key.def")
