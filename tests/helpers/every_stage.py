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
FOREST = ("--kind", "level_forest", "--trees", "5")
# These print, or start another stage.
WRITE_NOTHING = {"config", "cost", "launch", "power", "truth-scores"}


@dataclass(frozen=True)
class Case:
    """One way to call a stage; its arguments without the output, inputs as `Path`.

    A file comes with others: `also` are endings in place of its own, `beside` names in its folder.
    `replaces` says that an earlier output gives way to a new one.
    """

    arguments: Callable[[Path], tuple]
    ending: str = ""
    also: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    replaces: bool = True

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
    rows = "".join(f"{person}\t1\tr\tab\n" for person in ("P0", "P1") for _ in range(5))
    (root / "texts.tsv").write_text(f"participant\tsession\trecording\ttext\n{rows}")
    for person in ("P0", "P1"):
        keys = {"r": [*"ab|" * 5]}
        known = taps(root / "anchored" / person / "1", person, "1", keys) / "taps.parquet"
        (root / "truth" / person).mkdir(parents=True)
        pq.write_table(pq.read_table(known), root / "truth" / person / "true_taps.parquet")
    outputs = {
        **{"evaluate": "evaluated", "adaptation-scores": "adapted", "summarize": "summarized"},
        **{"fit-decoder": "decoders", "decode": "decoded"},
    }
    for name, folder in outputs.items():
        stage(*CASES[name].arguments(root), "--output", root / folder)
    stage("export", "--layout", "prototype", "--taps", *_taps(root), "--output", root / "older")
    stage(*CASES["compare"].arguments(root), "--output", root / "compared" / "experiments.tsv")
    stage(*_overview(root), "--output", root / "overview")
    _make_finished(root / "results", root)
    # The one stage that adds to an input: again it writes the same.
    stage(*CASES["cards"].arguments(root), "--output", root / "carded")
    write_tsv(root / "benchmarks" / "train.tsv", [{"s": 1, "max_rss": 2}], ("s", "max_rss"))
    return root


def _make_finished(results: Path, root: Path) -> None:
    """What a finished run must have for a crate, and nothing else."""
    stage(*CASES["answer"].arguments(root), "--output", results / "answer")
    stage(*CASES["record"].arguments(root), "--output", results / "run")
    for name in ("summarized", "evaluated"):
        shutil.copytree(root / name, results / {"summarized": "summary"}.get(name, "evaluations"))
    (results / "report.html").write_text("<p>made by Snakemake")


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
    return "--model", _model(root), "--fold", root / "fold", "--keyboard", root / "keys.csv"


def _reading(root: Path, person: str) -> tuple:
    return (
        *("--model", _model(root), "--taps", root / "anchored" / person / "1"),
        *("--texts", root / "texts.tsv", "--keyboard", root / "keys.csv"),
    )


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
    "baseline": Case(lambda root: ("baseline", *_fitting(root), *FOREST)),
    "evaluate": Case(
        lambda root: ("evaluate", *_scoring(root), "--datasets", root / "datasets" / "Ana")
    ),
    "adaptation-scores": Case(
        lambda root: (
            *("adaptation-scores", *_scoring(root)),
            *("--test-datasets", root / "datasets" / "Ana"),
            *("--taps-per-key", "1"),
        )
    ),
    "summarize": Case(
        lambda root: (
            *("summarize", "--experiment", "exp", "--evaluations", root / "evaluated"),
            *("--folds", root / "fold", "--keyboard", root / "keys.csv"),
        )
    ),
    "fit-decoder": Case(
        lambda root: (
            *("fit-decoder", "--fold", root / "fold", "--language-models", "none"),
            *_reading(root, "P0"),
        )
    ),
    "decode": Case(
        lambda root: ("decode", "--decoders", root / "decoders" / "none", *_reading(root, "P1"))
    ),
    "summarize-text": Case(
        lambda root: ("summarize-text", "--experiment", "exp", "--decoded", root / "decoded")
    ),
    "adaptation-curve": Case(
        lambda root: (
            *("adaptation-curve", "--experiment", "exp"),
            *("--adaptations", root / "adapted"),
        )
    ),
    "adapt": Case(
        lambda root: (
            *("adapt", "--model", _model(root), "--keyboard", root / "keys.csv"),
            *("--taps", root / "anchored" / "P0" / "1"),
        )
    ),
    "predict": Case(
        lambda root: ("predict", "--models", _model(root), "--recordings", root / "new")
    ),
    "listen": Case(
        lambda root: ("listen", "--models", _model(root), "--input", root / "new" / "unknown.wav"),
        replaces=False,
    ),
    "overview": Case(_overview),
    "record": Case(
        lambda root: (
            *("record", "--benchmarks", root / "benchmarks"),
            *("--config", '{"results": "r"}', "--snakemake", "9.27.1"),
        )
    ),
    "answer": Case(
        lambda root: (
            *("answer", "--experiments", root / "compared" / "experiments.tsv"),
            *("--summaries", root / "summarized", "--overview", root / "overview"),
        )
    ),
    "cards": Case(
        lambda root: (
            *("cards", "--models", _model(root), "--evaluations", root / "evaluated"),
            *("--summary", root / "summarized"),
        )
    ),
    "crate": Case(lambda root: ("crate", "--results", root / "results")),
    "crate .zip": Case(lambda root: ("crate", "--results", root / "results"), ".zip"),
    "export --layout": Case(
        lambda root: ("export", "--layout", "prototype", "--taps", *_taps(root))
    ),
    "export --dataset": Case(lambda root: ("export", "--dataset", *_fitting(root))),
    "export --dataset paths": Case(
        lambda root: ("export", "--dataset", "paths", "--taps", *_taps(root))
    ),
    "export --onnx": Case(lambda root: ("export", "--onnx", _model(root)), ".onnx"),
    "choose": Case(
        lambda root: ("choose", "--models", _model(root)),
        ".tsv",
        (".html",),
        ("provenance.json",),
    ),
    "compare": Case(
        lambda root: (
            *("compare", "--summaries", root / "summarized"),
            *("--benchmarks", root / "benchmarks" / "train.tsv"),
        ),
        ".tsv",
        (".html", ".png", ".pdf"),
        (
            *("differences.tsv", "differences.html", "provenance.json"),
            *(f"comparisons.{ending}" for ending in ("tsv", "html", "png", "pdf")),
        ),
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
        ("provenance.json",),
    ),
    "doctor": Case(lambda root: ("doctor", root / "study"), ".yaml"),
    "anchors": Case(
        lambda root: (
            *("anchors", "--taps", root / "anchored", "--truth", root / "truth"),
            *("--trees", "5"),
        ),
        ".tsv",
    ),
}
