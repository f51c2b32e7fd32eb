import hashlib
import shutil

import pytest

import tap2key
from tap2key.core import code_hash, digests, provenance
from tap2key.core.files import read_json
from tap2key.core.processor import processor_name


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package to edit; `hash_of(module)` reads it afresh."""
    root = tmp_path / "tap2key"
    shutil.copytree(
        code_hash.PACKAGE_ROOT, root, ignore=shutil.ignore_patterns("__pycache__", "*.npz")
    )
    monkeypatch.setattr(code_hash, "PACKAGE_ROOT", root)
    yield root
    _forget()


def _forget():
    code_hash.code_hash.cache_clear()
    code_hash._read.cache_clear()


def hash_of(module):
    _forget()
    return code_hash.code_hash(module)


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text, "the test edits a line that is no longer there"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_copy_hashes_like_the_original(package):
    copied = hash_of("tap2key.datasets.encode")
    package.rename(package.with_name("elsewhere"))
    code_hash.PACKAGE_ROOT = package.with_name("elsewhere")
    assert hash_of("tap2key.datasets.encode") == copied


def test_comments_docstrings_and_layout_do_not_count(package):
    before = hash_of("tap2key.datasets.encode")
    edit(
        package / "datasets/representations.py",
        "HIGHPASS_ORDER = 2\n",
        "HIGHPASS_ORDER = 2  # of its corner\n\n\n# more\n",
    )
    edit(package / "datasets/representations.py", '"""The mean of the channels', '"""Averages them')
    edit(
        package / "datasets/representations.py",
        '"""How the channels',
        '"""A module docstring: how they',
    )
    edit(package / "datasets/encoding.py", '"""A representation at a', '"""Of a class: at a')
    edit(
        package / "datasets/representations.py",
        "FILTER_HALF_WIDTH = 10",
        "FILTER_HALF_WIDTH = (1_0)",
    )
    edit(package / "datasets/encode.py", '"""Encode every labelled tap', '"""Do')
    assert hash_of("tap2key.datasets.encode") == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("datasets/encode.py", "WINDOWS_AT_ONCE = 64", "WINDOWS_AT_ONCE = 65"),
        ("datasets/representations.py", "windows.mean(axis=1)", "windows.mean(axis=2)"),
        ("core/errors.py", "class Tap2keyError(Exception)", "class Tap2keyError(ValueError)"),
        ("audio/array.py", "\nimport json", "\nUNUSED = 1\nimport json"),
    ],
)
def test_code_counts_in_the_module_and_in_what_it_imports(package, file, old, new):
    before = hash_of("tap2key.datasets.encode")
    edit(package / file, old, new)
    assert hash_of("tap2key.datasets.encode") != before


@pytest.mark.parametrize(
    ("edited", "stage", "reruns"),
    [
        ("datasets.representations", "datasets.encode", True),
        # Datasets that are encoded anew train anew, by their fingerprints.
        ("datasets.representations", "training.train", False),
        ("datasets.encoding", "training.train", True),
        ("datasets.representations", "segmentation.segment", False),
        ("datasets.representations", "reports.overview", False),
        ("training.train", "segmentation.segment", False),
        ("training.train", "datasets.encode", False),
        ("training.train", "datasets.fold", False),
        ("training.train", "evaluation.evaluate", False),
        ("training.augmentation", "evaluation.evaluate", False),
        ("training.checkpoint_metric", "training.train", True),
        ("signal.detection", "segmentation.segment", True),
        ("signal.detection", "training.train", False),
        ("evaluation.metrics", "evaluation.evaluate", True),
        ("evaluation.metrics", "training.train", False),
        ("reports.plot_confusion", "reports.draw", True),
        ("reports.plot_confusion", "evaluation.evaluate", False),
        ("simulation.plate", "segmentation.segment", False),
    ],
)
def test_an_edit_reruns_just_what_depends_on_it(package, edited, stage, reruns):
    before = hash_of(f"tap2key.{stage}")
    path = package.joinpath(*edited.split(".")).with_suffix(".py")
    path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert (hash_of(f"tap2key.{stage}") != before) == reruns


def test_data_flows_one_way():
    """No module is among what its own imports import."""
    root = code_hash.PACKAGE_ROOT
    parts = [path.relative_to(root).with_suffix("").parts for path in root.rglob("*.py")]
    modules = [".".join(("tap2key", *(p for p in names if p != "__init__"))) for names in parts]
    assert {"tap2key", "tap2key.__main__", "tap2key.datasets.representations"} <= set(modules)
    for module in modules:
        for name in set(code_hash._read(module)[1]) - {module}:
            circle = f"{module} and {name} import in a circle"
            assert module not in code_hash._closure(name), circle


def test_a_digest_ignores_the_order_of_keys_and_nothing_else():
    assert digests.digest({"a": 1, "b": [1, 2]}) == digests.digest({"b": [1, 2], "a": 1})
    assert digests.digest({"a": [1, 2]}) != digests.digest({"a": [2, 1]})
    assert digests.digest({"a": 1}) != digests.digest({"a": "1"})


def test_a_small_file_is_fingerprinted_by_all_its_bytes(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(bytes(1000))
    expected = hashlib.blake2b(b"1000" + bytes(1000), digest_size=12).hexdigest()
    assert digests.fingerprint(path) == expected
    content = bytearray(1000)
    content[500] = 1
    path.write_bytes(content)
    assert digests.fingerprint(path) != expected


def test_a_large_file_is_fingerprinted_by_size_head_and_tail(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "WHOLE_FILE_LIMIT", 100)
    monkeypatch.setattr(digests, "SAMPLED_BYTES", 10)
    path = tmp_path / "large"

    def print_of(changed=None, size=200):
        content = bytearray(size)
        if changed is not None:
            content[changed] = 1
        path.write_bytes(content)
        return digests.fingerprint(path)

    same = print_of()
    assert print_of(9) != same
    assert print_of(190) != same
    assert print_of(100) == same
    assert print_of(size=201) != same


def test_a_large_file_is_fingerprinted_whole_where_a_result_depends_on_it(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "WHOLE_FILE_LIMIT", 100)
    monkeypatch.setattr(digests, "SAMPLED_BYTES", 10)
    path = tmp_path / "folder" / "large"
    path.parent.mkdir()
    path.write_bytes(bytes(205))
    expected = hashlib.blake2b(b"205" + bytes(205), digest_size=12).hexdigest()
    assert digests.fingerprint(path, whole=True) == expected
    before = digests.fingerprint(path.parent, whole=True)
    path.write_bytes(bytes(100) + b"1" + bytes(104))
    assert digests.fingerprint(path, whole=True) != expected
    assert digests.fingerprint(path.parent, whole=True) != before


def test_a_folder_is_fingerprinted_by_names_and_contents(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_text("1")
    same = digests.fingerprint(tmp_path)
    (tmp_path / ".snakemake_timestamp").touch()
    assert digests.fingerprint(tmp_path) == same
    (tmp_path / "sub" / "a").rename(tmp_path / "sub" / "b")
    assert digests.fingerprint(tmp_path) != same


def test_provenance_says_what_made_a_folder_from_what(tmp_path):
    source = tmp_path / "input"
    source.write_text("recorded")
    provenance.write_provenance(
        tmp_path, "evaluate", "tap2key.evaluation.metrics", {"seed": 3}, [source], ["numpy"]
    )
    import numpy

    assert read_json(tmp_path / "provenance.json") == {
        "stage": "evaluate",
        "settings": {"seed": 3},
        "code": code_hash.code_hash("tap2key.evaluation.metrics"),
        "packages": {"numpy": numpy.__version__},
        "processor": processor_name(),
        "inputs": {str(source): digests.fingerprint(source)},
    }


def test_the_package_under_test_is_the_checkout():
    assert code_hash.PACKAGE_ROOT.samefile(tap2key.__path__[0])
