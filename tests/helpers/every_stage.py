"""Every stage that writes, with real inputs as small as they come."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from made import CENTRES, SETTINGS, fold, people, stage, taps, training_arguments
from sounds import make_session

from tap2key.core.files import write_tsv
from tap2key.study.manifest import write_manifest
from tap2key.study.scan import recordings_in

PERSON, SESSION = "Tony", "01_27_23"
WHOSE = ("--participant", PERSON, "--session", SESSION)
FOREST = '{"kind": "level_forest", "trees": 5}'
# These print, or start another stage.
WRITE_NOTHING = {"config", "cost", "launch"}


@dataclass(frozen=True)
class Case:
    """One way to call a stage; its arguments without the output, inputs as `Path`.

    A file comes with others: `also` are endings in place of its own, `beside` names in its folder.
    """

    arguments: Callable[[Path], tuple]
    ending: str = ""
    also: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def writes_a_folder(self) -> bool:
        return not self.ending

    def inputs(self, root: Path) -> list[Path]:
        return [value for value in self.arguments(root) if isinstance(value, Path)]


def make_inputs(root: Path) -> Path:
    """What the cases read, made by the stages themselves."""
    session = root / "study" / PERSON / SESSION
    make_session(session, count=15)
    write_manifest(root / "manifest.tsv", recordings_in(session))
    (root / "keys.csv").write_text(CENTRES)
    stage("segment", "--dir", session, "--output", root / "taps" / PERSON / SESSION)
    (root / "new").mkdir()
    shutil.copy(next(session.glob("01.acoustic/*.wav")), root / "new" / "unknown.wav")
    made = people(root / "datasets", ["Ana", "Bo", "Chen"], taps=48)
    folder, training = fold(root / "fold", made, "Ana")
    once = SETTINGS["training"] | {"epochs": 1}
    arguments = training_arguments(folder, training, root, "exp/Ana/seed-1", training=once)
    stage("train", *arguments)
    shutil.rmtree(root / "checkpoints")
    (root / "settings.json").write_text(FOREST)
    outputs = {"evaluate": "evaluated", "adaptation-scores": "adapted", "summarize": "summarized"}
    for name, folder in outputs.items():
        stage(*CASES[name].arguments(root), "--output", root / folder)
    stage("export", "--layout", "prototype", "--taps", *_taps(root), "--output", root / "older")
    for person in ("P0", "P1"):
        keys = {"r": [*"ab|" * 5]}
        known = taps(root / "anchored" / person / "1", person, "1", keys) / "taps.parquet"
        (root / "truth" / person).mkdir(parents=True)
        pq.write_table(pq.read_table(known), root / "truth" / person / "taps.parquet")
    write_tsv(root / "benchmarks" / "train.tsv", [{"s": 1, "max_rss": 2}], ("s", "max_rss"))
    return root


def _taps(root: Path) -> tuple[Path, ...]:
    return (root / "taps" / PERSON / SESSION,)


def _model(root: Path) -> Path:
    return root / "exp" / "Ana" / "seed-1"


def _training(root: Path) -> tuple[Path, ...]:
    return root / "datasets" / "Bo", root / "datasets" / "Chen"


def _fitting(root: Path) -> tuple:
    return "--fold", root / "fold", "--datasets", *_training(root)


def _train(root: Path) -> tuple:
    once = SETTINGS["training"] | {"epochs": 1}
    arguments = training_arguments(root / "fold", _training(root), root, training=once)
    return "train", *arguments[: arguments.index("--output")]


def _scoring(root: Path) -> tuple:
    tested = ("--dataset", root / "datasets" / "Ana", "--keyboard", root / "keys.csv")
    return "--model", _model(root), "--fold", root / "fold", *tested


def _overview(root: Path) -> tuple:
    where = ("--manifest", root / "manifest.tsv", "--taps", root / "taps")
    return "overview", *where, "--participants", PERSON


CASES = {
    "segment": Case(lambda root: ("segment", "--dir", root / "study" / PERSON / SESSION)),
    "segment --manifest": Case(
        lambda root: ("segment", "--manifest", root / "manifest.tsv", *WHOSE)
    ),
    "preview": Case(
        lambda root: ("preview", "--dir", root / "study" / PERSON / SESSION, "--rows", "1")
    ),
    "preview --taps": Case(
        lambda root: (
            *("preview", "--manifest", root / "manifest.tsv", *WHOSE, "--rows", "1"),
            *("--taps", *_taps(root)),
        )
    ),
    "ingest": Case(
        lambda root: (
            *("ingest", "--labels", root / "older" / "04.labels"),
            *("--samples", root / "older" / "05.wav_samples"),
            *("--session", root / "study" / PERSON / SESSION),
        )
    ),
    "encode": Case(lambda root: ("encode", "--taps", *_taps(root))),
    "fold": Case(
        lambda root: ("fold", "--held-out", "Ana", "--datasets", *_training(root)),
    ),
    "fetch": Case(lambda root: ("fetch", "--checkpoint", _model(root))),
    "train": Case(_train),
    "baseline": Case(
        lambda root: ("baseline", *_fitting(root), "--settings", root / "settings.json")
    ),
    "evaluate": Case(lambda root: ("evaluate", *_scoring(root))),
    "adaptation-scores": Case(
        lambda root: (
            *("adaptation-scores", *_scoring(root), "--training", *_training(root)),
            *("--taps-per-key", "1", "--draws", "2"),
        )
    ),
    "summarize": Case(
        lambda root: (
            *("summarize", "--experiment", "exp", "--evaluations", root / "evaluated"),
            *("--folds", root / "fold", "--keyboard", root / "keys.csv"),
        )
    ),
    "adaptation-curve": Case(
        lambda root: (
            *("adaptation-curve", "--experiment", "exp"),
            *("--adaptations", root / "adapted"),
        )
    ),
    "predict": Case(
        lambda root: ("predict", "--model", _model(root), "--recordings", root / "new")
    ),
    "overview": Case(_overview),
    "record": Case(
        lambda root: (
            *("record", "--benchmarks", root / "benchmarks"),
            *("--config", '{"results": "r"}', "--snakemake", "9.27.1"),
        )
    ),
    "export --layout": Case(
        lambda root: ("export", "--layout", "prototype", "--taps", *_taps(root))
    ),
    "export --dataset": Case(lambda root: ("export", "--dataset", *_fitting(root))),
    "export --dataset paths": Case(
        lambda root: ("export", "--dataset", "paths", "--taps", *_taps(root))
    ),
    "export --onnx": Case(lambda root: ("export", "--onnx", _model(root)), ".onnx"),
    "choose": Case(lambda root: ("choose", "--models", _model(root)), ".tsv", (".html",)),
    "compare": Case(
        lambda root: (
            *("compare", "--summaries", root / "summarized"),
            *("--benchmarks", root / "benchmarks" / "train.tsv"),
        ),
        ".tsv",
        (".html", ".png", ".pdf"),
        ("differences.tsv", "differences.html"),
    ),
    "draw": Case(
        lambda root: (
            *("draw", "--predictions", root / "evaluated" / "predictions.parquet"),
            *("--metrics", root / "evaluated" / "metrics.json", "--keyboard", root / "keys.csv"),
        ),
        ".png",
        (".pdf",),
        ("keyboard.png", "keyboard.pdf", "keys.html", "keys.tsv"),
    ),
    "learning-curves": Case(
        lambda root: ("learning-curves", "--experiment", "exp", "--models", _model(root)),
        ".png",
        (".pdf",),
    ),
    "anchors": Case(
        lambda root: (
            *("anchors", "--taps", root / "anchored", "--truth", root / "truth"),
            *("--trees", "5"),
        ),
        ".tsv",
    ),
}
