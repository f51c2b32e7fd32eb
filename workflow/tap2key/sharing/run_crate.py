"""A finished run as a Workflow Run RO-Crate (https://w3id.org/ro/wfrun/workflow/0.5)."""

import mimetypes
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rocrate.model import ContextEntity, Entity, Person
from rocrate.rocrate import ROCrate

from tap2key import __version__
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.core.provenance import FILE_NAME
from tap2key.core.shipped import PROJECT
from tap2key.study.clips import sounds_of
from tap2key.study.manifest import MANIFEST_NAME, PASSED_OVER_NAME, read_manifest

CRATE_VERSION = "1.1"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
# What is always in it: no sound, and nothing that sound could be made from.
FOLDERS = {
    "answer": "the page that the report opens with",
    "run": "the exact configuration, versions, time and memory",
    "summary": "scores by experiment, and differences between experiments",
    "evaluations": "predictions, scores and confusion matrices of every model",
    "overview": "sessions, recordings and channels, and what was left out and why",
    "model_selection": "the choice between experiments, by validation scores",
    "learning_curves": "loss and validation score by epoch",
    "decoded": "the text that taps were decoded to, and how far it is from what was typed",
    "adaptation": "scores after adaptation by a few labelled taps",
    "folds": "which taps each model was trained, validated and tested on",
    "cards": "the list of model cards",
}
NEEDED = ("answer", "run", "summary", "evaluations")
FILES = {
    MANIFEST_NAME: "the study's recordings",
    PASSED_OVER_NAME: "what looks like a recording or a touch log and was not used",
}
REPORT = "report.html"
# Of these only who made them from what, unless they are asked for.
BULKY = {
    "models": "the models",
    "decoders": "what turns named keys into text: language models and their costs",
    "datasets": "encoded windows of sound, by encoding and participant",
    "taps": "windows of sound and labels, by session",
}
RECORDINGS = "recordings"
OPTIONAL = (*BULKY, RECORDINGS)
# What the standard library does not know by its ending.
FORMATS = {
    ".parquet": "application/vnd.apache.parquet",
    ".yaml": "application/yaml",
    ".cff": "application/yaml",
    ".md": "text/markdown",
    ".tsv": "text/tab-separated-values",
    ".toml": "application/toml",
}
ALWAYS_OF_BULKY = (FILE_NAME, "README.md")
# Of the workflow itself.
SOURCES = ("Snakefile", "LICENSE", "CITATION.cff", "workflow", "config", "profiles", "envs")
NOT_SOURCES = ("__pycache__",)
README = """\
# {name}

A finished run of tap2key {version}, as a Workflow Run RO-Crate: `ro-crate-metadata.json` says what
each file is.

- `results/report.html` opens in any browser, without a network; its first page has the answer.
- `results/summary/` has the scores, `results/evaluations/` every prediction, `results/run/` the
  exact configuration and all versions. Each folder's `provenance.json` says what made it, from
  which inputs.
- `Snakefile`, `workflow/`, `config/`, `profiles/` and `envs/` are the workflow. To run it again, on
  the same recordings:
  `snakemake --cores all --configfile results/run/config.yaml --config results=again`.
- Of sound and models it holds: {included}.

{licence}
"""
NO_LICENCE = (
    "No licence is stated. Recordings of typing are personal data: what may be done with this "
    "depends on what the people recorded agreed to; ask whoever made it."
)


@dataclass(frozen=True)
class Description:
    """What only people know of a run."""

    name: str
    authors: Sequence[str] = ()
    licence: str | None = None


def run_crate(results: Path, about: Description, include: Iterable[str]) -> ROCrate:
    """The crate of a finished run, to be written.

    Args:
        results: the run's results folder.
        about: name, authors and licence.
        include: which of `OPTIONAL` go in.

    Raises:
        Tap2keyError: the run is not finished, or what is to go in is not there.
    """
    include = set(include)
    for name in (*NEEDED, *(include & set(BULKY))):
        if not (results / name).is_dir():
            raise Tap2keyError(f"{results}: has no {name}/; give the folder of a finished run")
    if not (results / REPORT).is_file():
        raise Tap2keyError(
            f"{results}: has no {REPORT}; make it with snakemake --report {results / REPORT}"
        )
    crate = ROCrate(version=CRATE_VERSION)
    crate.name = about.name
    finished = datetime.fromtimestamp((results / "run" / FILE_NAME).stat().st_mtime, UTC)
    crate.datePublished = finished
    crate.description = (
        f"A finished run of tap2key {__version__}: how well a key is recognised from the sound of "
        "a tap, for people the model has never heard. Begin with results/report.html."
    )
    crate.license = about.licence or crate.add(
        ContextEntity(
            crate,
            "#no-licence-stated",
            {"@type": "CreativeWork", "name": "No licence stated", "description": NO_LICENCE},
        )
    )
    people = [
        crate.add(Person(crate, f"#author-{at}", {"name": name}))
        for at, name in enumerate(about.authors, start=1)
    ]
    if people:
        crate.root_dataset["author"] = _one_or_all(people)
    workflow = _add_sources(crate, results)
    config, made = _add_results(crate, results, include)
    recordings = _add_recordings(crate, results) if RECORDINGS in include else []
    crate.add_action(
        workflow,
        "#run",
        object=_one_or_all([config, *recordings]),
        result=made,
        properties={
            "name": f"Run of tap2key {__version__}",
            "description": "snakemake --configfile results/run/config.yaml",
            "endTime": finished.isoformat(timespec="seconds"),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    if people:
        crate.get("#run")["agent"] = _one_or_all(people)
    crate.root_dataset["mentions"] = crate.get("#run")
    profiles = [
        crate.add(
            ContextEntity(crate, url, {"@type": "CreativeWork", "name": name, "version": version})
        )
        for url, (name, version) in PROFILES.items()
    ]
    crate.root_dataset["conformsTo"] = profiles
    return crate


def readme_text(about: Description, include: Iterable[str]) -> str:
    """What the crate's README.md says: where to begin."""
    return README.format(
        name=about.name,
        version=__version__,
        included=", ".join(sorted(include)) or "none",
        licence=f"Licence: {about.licence}" if about.licence else NO_LICENCE,
    )


def _add_sources(crate: ROCrate, results: Path) -> Entity:
    """Add the workflow's own files; returns its Snakefile's entity."""
    rows = read_tsv(results / "run" / "versions.tsv", ("what", "version"))
    versions = {row["what"]: row["version"] for row in rows}
    workflow = crate.add_workflow(
        PROJECT / "Snakefile",
        "Snakefile",
        main=True,
        lang="snakemake",
        lang_version=versions.get("snakemake"),
        properties={
            "name": "tap2key",
            "version": versions.get("tap2key, revision", __version__),
            "description": "Names the key from the sound of a tap, leaving one participant out.",
            "encodingFormat": "text/plain",
            "conformsTo": {"@id": BIOSCHEMAS},
        },
    )
    workflow["license"] = "https://spdx.org/licenses/MIT"
    # Its parts one by one: a folder would take what running has left in it along.
    for file in _files_below(PROJECT, SOURCES[1:]):
        _add_file(crate, file, file.relative_to(PROJECT).as_posix())
    return workflow


def _files_below(root: Path, names: Iterable[str]) -> Iterable[Path]:
    for name in names:
        for folder, folders, files in os.walk(root / name):
            folders[:] = sorted(set(folders) - set(NOT_SOURCES))
            yield from (Path(folder) / file for file in sorted(files) if not file.startswith("."))
        if (root / name).is_file():
            yield root / name


def _add_results(crate: ROCrate, results: Path, include: set[str]) -> tuple[Entity, list[Entity]]:
    """Add what the run made; returns the configuration and what counts as its results."""
    made = []
    for name, text in FOLDERS.items():
        if (results / name).is_dir():
            made.append(_add_folder(crate, results, name, text))
    for name, text in BULKY.items():
        if name in include:
            made.append(_add_folder(crate, results, name, text))
            continue
        for file in _files_below(results, [name]):
            if file.name in ALWAYS_OF_BULKY:
                _add_file(crate, file, f"results/{file.relative_to(results).as_posix()}")
    for name, text in FILES.items():
        if (results / name).is_file():
            made.append(_add_file(crate, results / name, f"results/{name}", text))
    text = "everything to look at, in one page that opens offline"
    made.append(_add_file(crate, results / REPORT, f"results/{REPORT}", text))
    config = _add_file(
        crate,
        results / "run" / "config.yaml",
        "results/run/config.yaml",
        "the exact configuration, defaults included",
    )
    return config, made


def _add_folder(crate: ROCrate, results: Path, name: str, text: str) -> Entity:
    return crate.add_dataset(results / name, f"results/{name}", properties=_named(text))


def _add_recordings(crate: ROCrate, results: Path) -> list[Entity]:
    """Add recordings and touch files, each session's as they lie below the folder of them all."""
    sessions: dict[str, list[Path]] = {}
    for recording in read_manifest(results / MANIFEST_NAME):
        if not recording.path.exists():
            raise _missing(recording.path)
        where = f"{RECORDINGS}/{recording.participant}/{recording.session}"
        for source in (*sounds_of(recording), *recording.touch_files):
            plain = Path(os.path.normpath(source.absolute()))
            sessions.setdefault(where, []).append(plain)
    # By source: one table may tell of several sessions.
    added: dict[Path, str] = {}
    for where, sources in sessions.items():
        common = os.path.commonpath([source.parent for source in sources])
        for source in sources:
            if not source.is_file():
                raise _missing(source)
            added.setdefault(source, f"{where}/{source.relative_to(common).as_posix()}")
    return [_add_file(crate, source, path) for source, path in added.items()]


def _missing(source: Path) -> Tap2keyError:
    return Tap2keyError(
        f"{source}: is not there, though {MANIFEST_NAME} lists it; start in the folder where the "
        "run was started, or leave the recordings out"
    )


def _add_file(crate: ROCrate, source: Path, path: str, text: str = "") -> Entity:
    kind = FORMATS.get(source.suffix) or mimetypes.guess_type(source.name)[0] or "text/plain"
    about = {"encodingFormat": kind, **(_named(text) if text else {"name": source.name})}
    return crate.add_file(source, path, properties=about)


def _one_or_all(entities: list[Entity]) -> Entity | list[Entity]:
    """The specification wants one value not to be in a list."""
    return entities if len(entities) > 1 else entities[0]


def _named(text: str) -> dict[str, str]:
    return {"name": text, "description": text}
