"""Keys of the configuration that had another name in an earlier version."""

RENAMED = {
    "calibrate": "adaptation",
    "accumulation": "gradient_accumulation_steps",
    "schedule": "lr_scheduler_type",
    "warmup": "warmup_ratio",
    "mark_below": "confidence_threshold",
    "aligned_stem": "inflate_stem",
}
