"""What had another name in the configuration of an earlier version."""

from typing import Any

# By the section in which a key stands, "" being the top level.
RENAMED_KEYS = {
    ("", "calibrate"): "adaptation",
    ("", "layout"): "session_pattern",
    ("segment", "none"): "outside_keys",
    ("predict", "mark_below"): "confidence_threshold",
    ("experiment", "given"): "predefined",
    ("experiment", "share"): "training_fraction",
    ("validation", "share"): "fraction",
    ("model", "aligned_stem"): "inflate_stem",
    ("model", "shape"): "config_overrides",
    ("training", "accumulation"): "gradient_accumulation_steps",
    ("training", "schedule"): "lr_scheduler_type",
    ("training", "warmup"): "warmup_ratio",
}
RENAMED_VALUES = {("split", "given"): "predefined"}
# Shipped experiments.
RENAMED_EXPERIMENTS = {
    "interleave-16000": "wav2vec2-base",
    "prototype": "wav2vec2-base",
    **{
        f"prototype-{what}": f"wav2vec2-base-{what}"
        for what in ("random", "aligned", "frozen", "layers")
    },
    "prototype-tiny": "tiny-unaligned",
    "prototype-tiny-random": "tiny-unaligned-random",
    "prototype-tiny-aligned": "tiny-aligned",
    **{
        f"{name}{split}": f"small-{name}{split}"
        for name in ("interleave", "top", "bottom", "average", "max-abs", "stack")
        for split in ("", "-random")
    },
    **{f"share-{fraction}": f"small-training-{fraction}" for fraction in ("0.25", "0.5")},
    **{
        name: f"small-{name}"
        for name in (
            *("rate-16000", "rate-24000", "rate-96000", "window-3", "window-12", "window-whole"),
            *("no-oversampling", "no-augmentation", "hard-labels", "sessions"),
        )
    },
}


def new_key(section: str, key: Any) -> str | None:
    """What a key of this section is called now; None if it had no other name."""
    return RENAMED_KEYS.get((section, key))


def new_value(key: str, value: Any) -> str | None:
    """What a value of this key is called now; None if it had no other name."""
    return RENAMED_VALUES.get((key, value)) if isinstance(value, str) else None


def renamed_experiment(name: str) -> str:
    """What to say of an experiment that is not there: "", or what the shipped one is called now."""
    new = RENAMED_EXPERIMENTS.get(name)
    return "" if new is None else f"{name} is now called {new}"
