"""A model's card: what it was trained on, how well it does, what it takes, how it is loaded."""

from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from tap2key.comparison.summaries import interval_of_mean
from tap2key.datasets.encoding import Encoding
from tap2key.models.model_folder import HEAD, SELECTION_SCORE
from tap2key.models.model_inputs import cut_of_model
from tap2key.sharing.wording import CONSENT, SIMULATED, counted

TASK = "audio-classification"
PEOPLE = ("person", "people")
STOCK = """\
import numpy
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

folder = "."  # this model's folder
network = AutoModelForAudioClassification.from_pretrained(folder).eval()
extractor = AutoFeatureExtractor.from_pretrained(folder)
tap = numpy.random.default_rng(0).normal(size={length})  # stands for a tap, see "What it takes"
inputs = extractor(tap, sampling_rate=extractor.sampling_rate, return_tensors="pt")
with torch.inference_mode():
    probabilities = network(**inputs).logits.softmax(dim=-1)[0]
print(network.config.id2label[int(probabilities.argmax())])
"""
OWN = """\
from pathlib import Path

import numpy
from tap2key.models.predictor import load_predictor

predictor, about = load_predictor(Path("."))  # this model's folder
# These stand for taps, see "What it takes".
taps = numpy.random.default_rng(0).normal(size=(1, {length}))
probabilities = predictor.probabilities(taps.astype(numpy.float32))[0]
print(about["labels"][int(probabilities.argmax())])
"""
TEXT = """\
# {title}

Names the key from the sound of one tap on a table with a printed keyboard. Made by tap2key;
experiment `{experiment}`, fold `{fold}`, seed {seed}.

{simulated}## How well

{results}

{at_chance}{validation}{search}

## Trained on

{taps} taps of {people}: {names}. Not on {held_out}. Started from {base}.

## What it takes

{inputs}

{length} numbers per tap. The keys that it tells apart: {labels}.

## Loading it

{library}, at the versions in `tap2key.json`:

```python
{code}```

Recordings are found, cut and encoded as it needs by
`python -m tap2key predict --models FOLDER --recordings FOLDER --output FOLDER`.

## Limits

Meant for taps recorded with microphones of the same kind, at the same places relative to the
keyboard, on a similar table. What it does elsewhere was not measured. It always names one of its
keys, also for other sounds. Scores of people whom it was trained on say nothing about new ones.

## Consent

{consent}
"""


def model_card(
    metadata: Mapping[str, Any],
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
    summary: Mapping[str, Any],
    fold: str,
    simulated: bool,
    candidates: int | None = None,
) -> ModelCard:
    """The card of one model of an experiment.

    Args:
        metadata: its `tap2key.json`.
        settings: those of its `provenance.json`.
        metrics: of its evaluation, `metrics.json`.
        summary: of its experiment, `summary.json`.
        fold: its name.
        simulated: the study is.
        candidates: how many settings a search tried; None without one.
    """
    network = metadata["kind"] in HEAD
    stock = metadata["kind"] == "wav2vec2"
    length = cut_of_model(metadata).length if network else metadata["length"]
    title = f"{summary['experiment']}, fold {fold}, seed {metadata['seed']}"
    checkpoint = settings.get("model", {}).get("checkpoint") if network else None
    data = ModelCardData(
        model_name=title,
        library_name="transformers" if network else "sklearn",
        pipeline_tag=TASK,
        base_model=checkpoint,
        metrics=["f1", "accuracy"],
        tags=["tap2key", "keystroke-acoustics", metadata["kind"]],
        eval_results=_results(metrics, fold, simulated),
    )
    content = TEXT.format(
        title=title,
        experiment=summary["experiment"],
        fold=fold,
        seed=metadata["seed"],
        simulated=f"**{SIMULATED}**\n\n" if simulated else "",
        results=_results_in_words(metrics, summary),
        at_chance=_at_chance(metrics),
        validation=_validation(metadata),
        search=_search(metadata, candidates),
        taps=sum(metadata["training_taps"].values()),
        people=counted(len(metadata["trained_on"]), *PEOPLE),
        names=", ".join(metadata["trained_on"]),
        held_out=", ".join(metadata["held_out"]) or "taps of theirs that it was tested on",
        base=f"`{checkpoint}`" if checkpoint else "random weights" if network else "nothing",
        inputs=_inputs(Encoding.from_metadata(metadata["encoding"]), metadata),
        length=length,
        labels=" ".join(f"`{label}`" for label in metadata["labels"]),
        library=_library(stock, network),
        code=(STOCK if stock else OWN).format(length=length if stock else metadata["length"]),
        consent=CONSENT,
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{content}", ignore_metadata_errors=False)


def _results(metrics: Mapping[str, Any], fold: str, simulated: bool) -> list[EvalResult]:
    whom = "held-out participants" if metrics["held_out"] else "participants also trained on"
    return [
        EvalResult(
            task_type=TASK,
            dataset_type="simulated-study" if simulated else "study",
            dataset_name=f"{whom} of fold {fold}",
            dataset_split="test",
            metric_type=kind,
            metric_name=name,
            metric_value=round(metrics[key], 4),
        )
        for kind, name, key in (
            ("f1", "macro-F1", "macro_f1"),
            ("accuracy", "accuracy", "accuracy"),
        )
    ]


def _results_in_words(metrics: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    seen = not metrics["held_out"]
    whom = ", ".join(metrics["participants"])
    scores = [person["macro_f1"] for person in summary["participants"]]
    low, high = interval_of_mean(summary)
    interval = "" if low is None or high is None else f" ({low:.3f}–{high:.3f})"
    mean = summary["mean"]
    return (
        "| tested on | macro-F1 | accuracy | taps |\n|---|---|---|---|\n"
        f"| {whom}, {'also' if seen else 'not'} heard in training: this model "
        f"| {metrics['macro_f1']:.3f} | {metrics['accuracy']:.3f} | {metrics['taps']} |\n"
        f"| {counted(len(scores), *PEOPLE)}, each by a model of this experiment's own fold "
        f"| {mean['macro_f1']:.3f}{interval} | {mean['accuracy']:.3f} "
        f"| {mean['taps']} |\n\n"
        "In brackets the 95 % interval of the mean over people (Student's t)."
    )


def _at_chance(metrics: Mapping[str, Any]) -> str:
    if not metrics.get("at_chance"):
        return ""
    return (
        "**This model stayed at chance in training:** on validation taps it is no better than "
        "always naming the commonest key.\n\n"
    )


def _validation(metadata: Mapping[str, Any]) -> str:
    scores = metadata["validation"]
    score, best = scores.get(SELECTION_SCORE), scores.get("weighted_f1")
    if score is None:
        return "No validation score is known."
    found = f"Macro-F1 on validation taps (set aside by {metadata['validated_by']})"
    if best is None:
        return f"{found}: {score:.3f}."
    return f"{found} after its last epoch: {score:.3f}; weighted F1 after its best one: {best:.3f}."


def _search(metadata: Mapping[str, Any], candidates: int | None) -> str:
    if candidates is None:
        return ""
    whose = ", ".join(metadata["validation_people"])
    return (
        f" Its settings are the best of {counted(candidates, 'candidate')} by macro-F1 on "
        f"validation taps of {whose} (`search.tsv`)."
    )


def _inputs(encoding: Encoding, metadata: Mapping[str, Any]) -> str:
    array = encoding.as_dict().get("array") or {}
    channels = array.get("channels")
    of_channels = f"{channels} channels " if channels else ""
    cut = metadata["crop_ms"]
    around = f", cut to {cut[0]} ms before and {cut[1]} ms after its onset" if cut else ""
    return (
        f"One tap, {of_channels}as `{encoding.representation}` at {encoding.sample_rate} Hz"
        f"{around}. "
        "The whole encoding, filters included, is in `tap2key.json`; a network's "
        "`preprocessor_config.json` says which part of an encoded row it takes (`input_cut`)."
    )


def _library(stock: bool, network: bool) -> str:
    if stock:
        return "With stock Transformers"
    if network:
        return "With tap2key installed, whose class of networks Transformers does not know"
    return "With tap2key installed, which computes the features; nothing is pickled"
