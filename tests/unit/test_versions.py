import ast
import re
import sys
from importlib import metadata

import pytest
import yaml
from running import ROOT

from tap2key.__main__ import STAGES
from tap2key.core import code_hash

ENVS = sorted((ROOT / "envs").glob("*.yaml"))
ENV_NAMES = [path.name for path in ENVS]
# What a package is imported as, where that is not its name.
DISTRIBUTION = {
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "xdist": "pytest-xdist",
}
# The environment in which the rules run each stage; the other stages run in learning.yaml.
IN_SIGNAL = ("simulate", "segment")
# No rule runs it: it asks Snakemake what its rules would do.
BESIDE_SNAKEMAKE = ("cost",)


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines):
    found = {}
    for line in lines:
        text = line.partition("#")[0].strip()
        if text:
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.+!]+)", text)
            assert match, f"{text!r} is not an exact version"
            assert normal(match[1]) not in found, f"{match[1]} twice"
            found[normal(match[1])] = match[2]
    return found


def pins_of(name):
    return pins((ROOT / "envs" / name).read_text(encoding="utf-8").splitlines())


def pip_pins_of(path):
    dependencies = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    return pins(next(d["pip"] for d in dependencies if isinstance(d, dict)))


def imported_by(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


def packages_of(paths):
    names = {name for path in paths for name in imported_by(path)}
    return {
        normal(DISTRIBUTION.get(name, name))
        for name in names - set(sys.stdlib_module_names) - {"tap2key"}
    }


@pytest.mark.parametrize("path", ENVS, ids=ENV_NAMES)
def test_environments_repeat_the_one_list_of_versions(path):
    wanted = pins_of("requirements.lock")
    for name, version in pip_pins_of(path).items():
        assert wanted.get(name) == version, name


@pytest.mark.parametrize("path", ENVS, ids=ENV_NAMES)
def test_environments_pin_python_exactly_and_alike(path):
    plain = [d for d in yaml.safe_load(path.read_text())["dependencies"] if isinstance(d, str)]
    assert all(re.fullmatch(r"[a-z]+=\d+(\.\d+)+", d) for d in plain), plain
    assert plain == yaml.safe_load(ENVS[0].read_text())["dependencies"][: len(plain)]


def test_the_lock_holds_every_requirement_at_its_version():
    lock = pins_of("requirements.lock")
    for name, version in pins_of("requirements.txt").items():
        assert lock.get(name) == version, name


@pytest.mark.parametrize(
    "found", [pins_of("requirements.lock"), *map(pip_pins_of, ENVS)], ids=["lock", *ENV_NAMES]
)
def test_what_a_pinned_package_needs_is_pinned_too(found):
    from packaging.requirements import Requirement

    for name in found:
        for text in metadata.distribution(name).requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                wanted = normal(needed.name)
                if wanted == "setuptools":  # comes with the virtual environment
                    continue
                assert wanted in found, f"{name} needs {needed}"
                assert needed.specifier.contains(found[wanted], prereleases=True), (name, text)


def test_the_cuda_environment_has_the_versions_of_the_other():
    cuda, other = (pip_pins_of(ROOT / "envs" / f"learning{end}.yaml") for end in ("-cuda", ""))
    assert cuda == other


def test_what_is_installed_is_what_is_pinned():
    for name, version in pins_of("requirements.txt").items():
        assert metadata.version(name).partition("+")[0] == version, name


def test_every_package_that_is_imported_is_pinned():
    paths = list((ROOT / "workflow").rglob("*.py"))
    assert len(paths) > 30
    assert packages_of(paths) - set(pins_of("requirements.txt")) == set()


def test_every_package_that_tests_import_is_pinned():
    here = list((ROOT / "tests").rglob("*.py"))
    own = {normal(name) for path in here for name in (path.stem, path.parent.name)}
    # Used for reading the lock only; it comes with pytest.
    assert packages_of(here) - set(pins_of("requirements.txt")) - own - {"packaging"} == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stages_environment_holds_what_it_imports(stage):
    modules = code_hash._closure(STAGES[stage][0])
    needed = packages_of(code_hash._source(module) for module in modules)
    if stage in BESIDE_SNAKEMAKE:
        assert needed - set(pins_of("requirements.txt")) == set()
        return
    name = "signal.yaml" if stage in IN_SIGNAL else "learning.yaml"
    assert needed - set(pip_pins_of(ROOT / "envs" / name)) == set()


def test_rules_use_the_environments_this_test_thinks_they_do():
    rules = (ROOT / "workflow" / "rules").glob("*.smk")
    used = {}
    for path in rules:
        text = path.read_text(encoding="utf-8")
        stages = re.findall(r"python -m tap2key (\w+)", text)
        environments = set(re.findall(r"envs/(\w+\.yaml)", text))
        assert ("training_environment" in text) == ("launch" in stages), path.name
        if stages:
            assert len(environments) == 1, path.name
            used |= dict.fromkeys(stages, environments.pop())
    assert set(used) >= {"simulate", "segment", "encode", "fold", "launch", "evaluate"}
    for stage, environment in used.items():
        assert environment == ("signal.yaml" if stage in IN_SIGNAL else "learning.yaml"), stage
