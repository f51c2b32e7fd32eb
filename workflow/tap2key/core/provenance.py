"""Where an output came from: settings, code, package versions and input fingerprints."""

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tap2key.core.files import write_json

PACKAGE_ROOT = Path(__file__).parents[1]
FILE_NAME = "provenance.json"
# Larger files count by size, head and tail unless asked otherwise: half an hour of recording is
# 5.5 GB, and to hash it would take longer than to segment it.
WHOLE_FILE_LIMIT = 8 << 20
SAMPLED_BYTES = 1 << 20


def digest(value: Any) -> str:
    """A short hash of any JSON-serialisable value, independent of key order."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    # A file's name may hold bytes that are no text.
    encoded = text.encode(errors="surrogateescape")
    return hashlib.blake2b(encoded, digest_size=12).hexdigest()


def fingerprint(path: str | Path, whole: bool = False) -> str:
    """A hash of a file's size and content, or of all files in a folder by name.

    Unless `whole`, files above 8 MiB contribute their first and last MiB: enough to say what an
    output was made from. Where a result is reused because its inputs are the same, as a model's
    checkpoints are, files are hashed whole (a GB takes about a second).
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        return digest([[str(p.relative_to(path)), fingerprint(p, whole)] for p in files])
    size = path.stat().st_size
    hashed = hashlib.blake2b(str(size).encode(), digest_size=12)
    with path.open("rb") as handle:
        if whole or size <= WHOLE_FILE_LIMIT:
            while block := handle.read(SAMPLED_BYTES):
                hashed.update(block)
        else:
            hashed.update(handle.read(SAMPLED_BYTES))
            handle.seek(-SAMPLED_BYTES, 2)
            hashed.update(handle.read())
    return hashed.hexdigest()


@cache
def code_hash(module: str) -> str:
    """A hash of what a module does: its syntax tree and those of all tap2key modules it imports.

    Comments, docstrings and layout do not count, so editing them reruns nothing.
    """
    return digest({name: _read(name)[0] for name in _closure(module)})


def _source(module: str) -> Path | None:
    relative = Path(*module.split(".")[1:])
    for candidate in (
        PACKAGE_ROOT / relative.with_suffix(".py") if relative.name else None,
        PACKAGE_ROOT / relative / "__init__.py",
    ):
        if candidate is not None and candidate.is_file():
            return candidate
    return None


@cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """A module's syntax tree as text, without docstrings, and the package's modules it imports."""
    parts: list[str] = []
    names: list[str] = []
    source = _source(module)
    if source is None:
        raise ModuleNotFoundError(module)
    _write(ast.parse(source.read_text(encoding="utf-8")), parts, names)
    return "\n".join(parts), tuple(name for name in names if _source(name) is not None)


def _write(node: ast.AST, parts: list[str], imports: list[str]) -> None:
    """Append a tree to `parts`, and to `imports` what may be modules of this package.

    Each of the standard library's functions for it would walk the tree once more: for a short job
    that is a good part of its time.
    """
    parts.append(type(node).__name__)
    if isinstance(node, ast.Import | ast.ImportFrom):
        imports += _named(node)
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, ast.AST):
            _write(value, parts, imports)
        elif isinstance(value, list):
            if field == "body" and value and _is_text(value[0]):
                value = value[1:]
            parts.append(f"[{len(value)}")
            for item in value:
                if isinstance(item, ast.AST):
                    _write(item, parts, imports)
                else:
                    parts.append(repr(item))
        else:
            parts.append(repr(value))


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _closure(module: str) -> set[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += _read(name)[1]
    return found


def _named(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [a.name for a in node.names if a.name.startswith("tap2key.")]
    module = node.module or ""
    if module.split(".")[0] == "tap2key":
        return [module, *(f"{module}.{a.name}" for a in node.names)]
    return []


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of the named packages."""
    return {name: metadata.version(name) for name in names}


def write_provenance(
    folder: str | Path,
    stage: str,
    module: str,
    settings: Mapping[str, Any],
    inputs: Iterable[str | Path],
    packages: Iterable[str],
    whole: bool = False,
) -> None:
    """Write `provenance.json` into an output folder: what made it, from what, with what.

    Args:
        folder: the output.
        stage: as on the command line; only the same stage may replace the folder.
        module: the stage's, whose code is hashed.
        settings: what was chosen.
        inputs: files and folders that the output depends on.
        packages: those whose versions matter.
        whole: their fingerprints are of whole files, not of samples of large ones.
    """
    write_json(
        Path(folder) / FILE_NAME,
        {
            "stage": stage,
            "settings": dict(settings),
            "code": code_hash(module),
            "packages": package_versions(packages),
            "inputs": {str(path): fingerprint(path, whole) for path in inputs},
        },
    )
