"""Folds → models: inputs, augmentation, losses, checkpoints, processes."""
