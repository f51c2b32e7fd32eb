"""The card of an exported dataset: what is in it, how it is loaded, what people agreed to."""

from collections.abc import Mapping, Sequence

from datasets import Dataset, DatasetDict
from huggingface_hub import DatasetCard, DatasetCardData

from tap2key.sharing.wording import CONSENT

TEXT = """\
# {title}

Taps on a table with a printed keyboard, each with the key that was struck. Made by tap2key.

{what}

| split | rows |
|---|---|
{splits}

People: {people}. {held_out}

## Loading it

```python
from datasets import load_from_disk

taps = load_from_disk(".")  # this folder
rows = {first}
print(rows.features["label"].int2str(rows[0]["label"]), rows[0]["participant"])
```

## Columns

{columns}

`participant`, `session`, `recording` and `tap` say together which tap a row is. How the rows were
made is in `provenance.json`.

## Consent

{consent}
"""


def dataset_card(
    parts: DatasetDict | Dataset, title: str, what: str, held_out: Sequence[str]
) -> DatasetCard:
    """The card of a dataset that is to be saved.

    Args:
        parts: its splits, or all of it.
        title: what it is called.
        what: sentences on what a row holds.
        held_out: whose taps are in `test` only; empty if nobody is held out.
    """
    splits: Mapping[str, Dataset] = parts if isinstance(parts, DatasetDict) else {"all": parts}
    first = next(iter(splits))
    # Not Dataset.unique, which writes a cache beside the datasets that rows were selected from.
    people = sorted({name for rows in splits.values() for name in rows["participant"][:]})
    data = DatasetCardData(
        pretty_name=title,
        task_categories=["audio-classification"],
        tags=["tap2key", "keystroke-acoustics"],
    )
    text = TEXT.format(
        title=title,
        what=what,
        splits="\n".join(f"| `{name}` | {len(rows)} |" for name, rows in splits.items()),
        people=", ".join(people),
        held_out=f"Held out of training: {', '.join(held_out)}." if held_out else "",
        first=f'taps["{first}"]' if isinstance(parts, DatasetDict) else "taps",
        columns="\n".join(
            f"- `{name}`: {_kind(kind)}" for name, kind in splits[first].features.items()
        ),
        consent=CONSENT,
    )
    return DatasetCard(f"---\n{data.to_yaml()}\n---\n\n{text}", ignore_metadata_errors=False)


def _kind(kind: object) -> str:
    names = getattr(kind, "names", None)
    if names:
        return "one of " + " ".join(f"`{name}`" for name in names)
    length = getattr(kind, "length", None)
    return f"{length} numbers" if length else str(getattr(kind, "dtype", kind))
