"""Hashes of values, files and folders: what is the same has the same."""

import hashlib
import json
from pathlib import Path
from typing import Any

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
