"""The command line: `python -m tap2key <stage> …`; every stage also works by hand."""

import argparse
import importlib
import itertools
import os
import sys
import time
import traceback
from pathlib import Path

from tap2key import __version__
from tap2key.core.errors import Tap2keyError
from tap2key.core.log import LEVEL_VARIABLE, USUAL_LEVEL, log, show_from

# Set to anything but 0, errors that are one line come with their traceback and their causes.
TRACEBACK_VARIABLE = "TAP2KEY_TRACEBACK"
# Only the chosen stage is imported: loading torch would be most of a short job's time.
STAGES = {
    "simulate": ("tap2key.simulation.simulate", "make a study with known truth"),
    "segment": ("tap2key.segmentation.segment", "find a session's taps and label them"),
    "ingest": ("tap2key.exchange.ingest", "take over the labels and wavs of older scripts"),
    "preview": ("tap2key.segmentation.preview", "draw taps and touches of a session's recordings"),
    "encode": ("tap2key.datasets.encode", "turn a participant's windows into a dataset"),
    "fold": ("tap2key.datasets.fold", "assign rows to training, validation and test"),
    "fetch": ("tap2key.models.fetch", "fetch a pretrained checkpoint from the model hub"),
    "launch": ("tap2key.training.launch", "start the training stage through accelerate"),
    "train": ("tap2key.training.train", "train a network on one fold"),
    "baseline": ("tap2key.training.baseline", "fit a classical baseline on one fold"),
    "evaluate": ("tap2key.evaluation.evaluate", "score a model on a labelled dataset"),
    "fit-decoder": (
        "tap2key.decoding.fit_decoder",
        "choose what a language model weighs, on validation people",
    ),
    "decode": ("tap2key.decoding.decode", "turn held-out people's taps into text and compare it"),
    "draw": ("tap2key.reports.draw", "draw an evaluation's confusion matrix and keyboard map"),
    "export": ("tap2key.exchange.export", "write taps, a fold or a model for use elsewhere"),
    "adaptation-scores": (
        "tap2key.evaluation.adaptation_scores",
        "score a model given a few labelled taps",
    ),
    "summarize": ("tap2key.reports.summarize", "collect an experiment's scores in tables"),
    "summarize-text": (
        "tap2key.reports.summarize_text",
        "tabulate and align what held-out people typed, before and after decoding",
    ),
    "adaptation-curve": (
        "tap2key.reports.adaptation_curve",
        "draw what a few labelled taps bring",
    ),
    "choose": ("tap2key.evaluation.choose", "name the best experiment by validation scores alone"),
    "compare": ("tap2key.reports.compare", "put the summaries of several experiments side by side"),
    "power": ("tap2key.comparison.power", "print which differences a study could show"),
    "learning-curves": (
        "tap2key.reports.learning_curves",
        "draw the learning curves of an experiment's models",
    ),
    "adapt": ("tap2key.reading.adapt", "adapt a model to a few taps of a session"),
    "predict": ("tap2key.reading.predict", "name the taps of recordings without a touch sensor"),
    "listen": (
        "tap2key.listening.listen",
        "name taps while they are heard, from a sound card or a pipe",
    ),
    "overview": ("tap2key.reports.overview", "tabulate what the study holds and what was left out"),
    "answer": ("tap2key.sharing.answer", "write the page that the report opens with"),
    "cards": ("tap2key.sharing.cards", "write a model card into the folders of models"),
    "crate": ("tap2key.sharing.crate", "pack a finished run as a Workflow Run RO-Crate"),
    "record": ("tap2key.reports.record", "tabulate time and memory, configuration and versions"),
    "doctor": (
        "tap2key.inspection.doctor",
        "look at a folder of recordings and print the configuration to start with",
    ),
    "cost": ("tap2key.orchestration.cost", "estimate jobs, hours and disk of a run before it runs"),
    "config": ("tap2key.config.documentation", "print what every key of the configuration means"),
    "anchors": ("tap2key.simulation.anchors", "print how difficult a simulated study is"),
    "truth-scores": (
        "tap2key.simulation.truth_scores",
        "score a simulated study's results by what was meant",
    ),
}
# A command line holds about 2 MiB: the models of thousands of folds do not fit.
ARGUMENTS_FILE = "--arguments-from"
# What was called otherwise in an earlier version: stages, and of each stage its options.
RENAMED = {
    "calibrate": "adaptation-scores",
    "calibration-curve": "adaptation-curve",
    "curves": "learning-curves",
}
RENAMED_OPTIONS = {
    "adaptation-curve": {"--calibrations": "--adaptations"},
    "adaptation-scores": {"--dataset": "--test-datasets"},
    "baseline": {"--settings": "--kind and --trees"},
    "evaluate": {"--dataset": "--datasets"},
    "export": {"--once": "--no-oversample", "--test": "--test-datasets"},
    "fold": {"--share": "--training-fraction", "--validation-share": "--validation-fraction"},
    "predict": {
        "--mark-below": "--confidence-threshold",
        "--model": "--models",
        "--peak_height": "--peak-height",
    },
    "preview": {"--none": "--outside-keys", "--peak_height": "--peak-height"},
    "segment": {"--none": "--outside-keys", "--peak_height": "--peak-height"},
    "simulate": {"--workers": "--threads"},
    "train": {"--settings": "--kind, --model-…, --augmentation-… and --training-…"},
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; the namespace's `main` is the chosen stage's function."""
    parser = argparse.ArgumentParser(prog="tap2key", description=__doc__)
    parser.set_defaults(log_level=os.environ.get(LEVEL_VARIABLE) or USUAL_LEVEL)
    parser.add_argument("--version", action="version", version=f"tap2key {__version__}")
    verbosity = parser.add_mutually_exclusive_group()
    for option, level, text in (
        ("--verbose", "debug", "say more on stderr"),
        ("--quiet", "warning", "say only what is amiss"),
    ):
        verbosity.add_argument(
            option, action="store_const", const=level, dest="log_level", help=text
        )
    parser.add_argument(
        ARGUMENTS_FILE,
        metavar="FILE",
        help="take those in a file, each ended by a NUL, in place of this; may come anywhere",
    )
    commands = parser.add_subparsers(dest="stage", required=True, metavar="stage")
    given = _with_those_in_files(sys.argv[1:] if arguments is None else arguments)
    _refuse_old_names(given)
    chosen = next((a for a in given if a in STAGES), None)
    for name, (module, text) in STAGES.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            stage = importlib.import_module(module)
            stage.add_arguments(command)
            command.set_defaults(main=stage.main)
    return parser.parse_args(given)


def _with_those_in_files(given: list[str]) -> list[str]:
    """The arguments, with those that files hold where they name them."""
    words, found = iter(given), []
    for word in words:
        if word != ARGUMENTS_FILE:
            found.append(word)
            continue
        try:
            file = next(words)
            held = Path(file).read_bytes()
        except StopIteration:
            raise Tap2keyError(f"{ARGUMENTS_FILE}: name a file") from None
        except OSError as error:
            raise Tap2keyError(f"{ARGUMENTS_FILE}: {error}") from None
        *words_held, rest = held.split(b"\0")
        if rest:
            raise Tap2keyError(f"{ARGUMENTS_FILE}: {file}: end every argument with a zero byte")
        found += map(os.fsdecode, words_held)
    return found


def _refuse_old_names(given: list[str]) -> None:
    """Say what a stage or an option of it is called now; their values may be called anything."""
    stage, *others = itertools.dropwhile(lambda word: word.startswith("-"), [*given, ""])
    if stage in RENAMED:
        raise Tap2keyError(f"{stage} is now called {RENAMED[stage]}")
    options = RENAMED_OPTIONS.get(stage, {})
    for word in others:
        old = word.split("=")[0]
        if old in options:
            raise Tap2keyError(f"{stage} {old} is now called {options[old]}")


def print_with_causes(error: BaseException) -> None:
    """Print an error's traceback and those of all errors that led to it."""
    earlier: BaseException | None = error
    while earlier is not None:
        earlier.__suppress_context__ = False
        earlier = earlier.__cause__ or earlier.__context__
    traceback.print_exception(error)


def main(arguments: list[str] | None = None) -> int:
    """Run one stage; what a user can mend is one line on stderr and exit status 1."""
    if not sys.stderr.isatty():
        # The libraries' bars would fill a log with half-drawn lines.
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    try:
        args = parse(arguments)
        # Taken out: how much is said is no setting of the stage.
        show_from(vars(args).pop("log_level"))
        started = time.monotonic()
        log.debug(f"tap2key {__version__}, Python {sys.version.split()[0]}: {vars(args)}")
        args.main(args)
        log.debug(f"{args.stage}: done in {time.monotonic() - started:.1f} s")
    except Tap2keyError as error:
        if os.environ.get(TRACEBACK_VARIABLE, "0") not in ("", "0"):
            print_with_causes(error)
        print(f"tap2key: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
