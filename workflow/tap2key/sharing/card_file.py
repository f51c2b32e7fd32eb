"""A card as a file beside what it describes: written anew, unless somebody has edited it."""

from hashlib import sha256
from pathlib import Path

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import atomic_file, read_json, write_json
from tap2key.core.folders import FILES
from tap2key.core.provenance import FILE_NAME

CARD_FILE = "README.md"
# In a folder's provenance: of the card as a stage wrote it.
CARD_HASH = "card_sha256"


def check_card(folder: Path, card: str) -> None:
    """Refuse a folder that has somebody else's README.md.

    Raises:
        Tap2keyError: so it is, or the folder has no provenance.
    """
    provenance, file = read_json(folder / FILE_NAME), folder / CARD_FILE
    # One without provenance is also left behind by whoever was killed between the two.
    if file.exists() and CARD_FILE not in provenance.get(FILES, ()) and not _says(file, card):
        raise Tap2keyError(
            f"{file}: is not a card that tap2key wrote; move it away and start again"
        )


def edited_card(folder: Path, card: str) -> bytes | None:
    """The card in a folder, if a stage wrote it and somebody then edited it; else None.

    Args:
        folder: it may not exist.
        card: what would be written now, which is no edit.
    """
    file = folder / CARD_FILE
    if not file.is_file() or _says(file, card):
        return None
    provenance, found = read_json(folder / FILE_NAME), file.read_bytes()
    ours = CARD_FILE in provenance.get(FILES, ())
    return found if ours and provenance.get(CARD_HASH) != sha256(found).hexdigest() else None


def put_card(folder: Path, card: str | bytes) -> None:
    """Write a card, and list it in the folder's provenance, so that it goes when the folder goes.

    The folder's other files stay as they are, and so does a provenance that says the same.

    Args:
        folder: with a `provenance.json`.
        card: its text; or the bytes of one that somebody edited, of which no hash is noted.
    """
    written = card.encode() if isinstance(card, str) else card
    with atomic_file(folder / CARD_FILE) as temporary:
        temporary.write_bytes(written)
    provenance = read_json(folder / FILE_NAME)
    noted = {
        **provenance,
        FILES: sorted({*provenance.get(FILES, ()), CARD_FILE}),
        CARD_HASH: sha256(written).hexdigest() if isinstance(card, str) else None,
    }
    if noted != provenance:
        write_json(folder / FILE_NAME, noted)


def _says(file: Path, card: str) -> bool:
    return file.read_bytes() == card.encode()
