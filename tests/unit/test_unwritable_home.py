import numpy as np
import pytest
from made import SETTINGS, held_out_study, run, taps, training_arguments

from tap2key.core.files import read_json

QUICK = {"training": {**SETTINGS["training"], "epochs": 1}}


@pytest.fixture
def unwritable(tmp_path, monkeypatch):
    """Homes and caches below a file, where not even root can make a folder."""
    (tmp_path / "file").touch()
    for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / "file" / name))
    for name in ("HF_MODULES_CACHE", "HF_METRICS_CACHE", "HF_DATASETS_CACHE", "HF_EVALUATE_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return held_out_study(tmp_path_factory.mktemp("study"), taps=48)


def succeeds(*arguments):
    result = run(*arguments)
    assert result.returncode == 0, result.stderr


@pytest.mark.usefixtures("unwritable")
def test_networks_are_trained_and_scored_where_no_cache_can_be_written(data, tmp_path):
    folder, training, datasets = data
    arguments = training_arguments(folder, training, tmp_path, **QUICK)
    succeeds("launch", "--processes", 1, "--threads", 1, "--", *arguments)
    tested = ("--datasets", datasets["Ana"], "--output", tmp_path / "scores")
    succeeds("evaluate", "--model", tmp_path / "model", *tested)
    assert read_json(tmp_path / "scores" / "metrics.json")["taps"] == 48
    succeeds("export", "--onnx", tmp_path / "model", "--output", tmp_path / "model.onnx")


@pytest.mark.usefixtures("unwritable")
@pytest.mark.parametrize("kind", ["gcc_phat_forest", "mfcc_forest"])
def test_forests_are_fitted_where_no_cache_can_be_written(data, tmp_path, kind):
    given = ("--fold", data[0], "--datasets", *data[1], "--kind", kind, "--trees", 5)
    succeeds("baseline", *given, "--output", tmp_path / "forest")


@pytest.mark.usefixtures("unwritable")
def test_datasets_are_made_and_exported_where_no_cache_can_be_written(data, tmp_path):
    keys = {"r1": ["a", "b", "|", "a"]}
    own = taps(tmp_path / "taps", "Ana", "s1", keys, labels=("a", "b", "|"))
    succeeds("encode", "--taps", own, "--output", tmp_path / "dataset")
    folder, training, datasets = data
    given = ("--fold", folder, "--datasets", *training, "--test-datasets", datasets["Ana"])
    succeeds("export", "--dataset", *given, "--output", tmp_path / "exported")


def test_the_metric_leaves_nothing_in_a_shared_folder(data, tmp_path, monkeypatch):
    """Whoever made a folder there first could have put their own module into it."""
    for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME", "TMPDIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    arguments = training_arguments(data[0], data[1], tmp_path / "run", **QUICK)
    succeeds("launch", "--processes", 1, "--threads", 1, "--", *arguments)
    left = [p for p in tmp_path.rglob("*") if p.suffix == ".py" or "weighted_f1" in p.name]
    assert left == []
    assert np.isfinite(read_json(tmp_path / "run/model/tap2key.json")["validation"]["weighted_f1"])
