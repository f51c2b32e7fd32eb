import numpy as np
import pytest
import torch
from made import LABELS, SHAPE, dataset, fold, run, training_arguments
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

from tap2key.core.files import read_json

NAME = "lab/tiny"
OLD, NEW = "1" * 40, "2" * 40


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A machine's cache of the hub: two commits of a checkpoint, main being the second."""
    home = tmp_path_factory.mktemp("home")
    repository = home / "hub" / "models--lab--tiny"
    for seed, commit in enumerate((OLD, NEW)):
        torch.manual_seed(seed)
        Wav2Vec2Model(Wav2Vec2Config(**SHAPE)).save_pretrained(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(NEW)
    return home


@pytest.fixture(autouse=True)
def offline(cache, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(
    ("asked", "revision", "commit"),
    [((), "main", NEW), (("--revision",), "main", NEW), (("--revision", OLD), OLD, OLD)],
)
def test_a_fetched_checkpoint_says_which_commit_it_is(tmp_path, cache, asked, revision, commit):
    result = run("fetch", "--checkpoint", NAME, *asked, "--output", tmp_path / "tiny")
    assert result.returncode == 0, result.stderr
    origin = {"checkpoint": NAME, "revision": revision, "commit": commit}
    assert read_json(tmp_path / "tiny" / "provenance.json")["settings"] == origin
    snapshot = cache / "hub" / "models--lab--tiny" / "snapshots" / commit
    assert same(weights(tmp_path / "tiny"), weights(snapshot))


def test_a_revision_that_cannot_be_had_is_named_in_one_line(tmp_path):
    arguments = ("--checkpoint", NAME, "--revision", "v2", "--output", tmp_path / "tiny")
    result = run("fetch", *arguments)
    assert result.returncode == 1
    errors = [x for x in result.stderr.splitlines() if x.startswith("tap2key: error: ")]
    assert len(errors) == 1
    assert errors[0].startswith("tap2key: error: model.checkpoint lab/tiny, revision v2: ")
    assert not (tmp_path / "tiny").exists()


def test_a_model_says_from_which_commit_it_started(tmp_path, cache):
    """Whether from a fetched folder or from this machine's cache."""
    label_ids = np.arange(12) % len(LABELS)
    people = {name: dataset(tmp_path / name, name, label_ids) for name in ("Ana", "Bo", "Chen")}
    folder, training = fold(tmp_path / "fold", people, "Ana")
    assert run("fetch", "--checkpoint", NAME, "--output", tmp_path / "tiny").returncode == 0
    quick = {"epochs": 1, "batch_size": 12, "learning_rate": 1e-12}
    for revision, pretrained, commit in ((None, True, NEW), (OLD, False, OLD)):
        model = {
            "checkpoint": NAME,
            "revision": revision,
            "config_overrides": {"mask_time_prob": 0.0},
        }
        settings = {"model": model, "training": quick}
        output = f"model-{commit[0]}"
        arguments = training_arguments(folder, training, tmp_path, output, **settings)
        if pretrained:
            arguments += ["--pretrained", tmp_path / "tiny"]
        result = run("train", *arguments)
        assert result.returncode == 0, result.stderr
        provenance = read_json(tmp_path / output / "provenance.json")
        assert provenance["settings"]["pretrained"]["commit"] == commit
        stem = "feature_extractor.conv_layers.0.conv.weight"
        began = weights(cache / "hub" / "models--lab--tiny" / "snapshots" / commit)[stem]
        ended = weights(tmp_path / output)[f"wav2vec2.{stem}"]
        torch.testing.assert_close(ended, began)
