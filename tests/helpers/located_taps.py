"""Taps on the shipped keyboard, and what a model that knows only places would make of them."""

import numpy as np

from tap2key.core.shipped import KEYBOARD
from tap2key.models.key_places import places_of
from tap2key.study.keyboard import load_keyboard

KEYS = load_keyboard(KEYBOARD)
PLACES = places_of(KEYS, KEYS.labels)
OUTSIDE = KEYS.labels.index("none")


def session(rng, per_key=5, shift=(0.0, 0.0), stretch=1.0, aim=2.0):
    """Taps on all keys but `none`: true keys [n], and where a model takes them to be [n, 2]."""
    keys = np.repeat([at for at in range(len(KEYS.labels)) if at != OUTSIDE], per_key)
    parts = [PLACES.parts[KEYS.labels[key]] for key in keys]
    hit = np.array([part[rng.integers(len(part))] for part in parts])
    hit += rng.normal(0, aim, hit.shape)
    middle = np.nanmean(PLACES.centres, axis=0)
    return keys, (hit - middle) * stretch + middle + shift


def by_place(seen):
    """What a model that knows nothing of a shift makes of places: [n, labels]."""
    squares = np.stack(
        [
            ((seen[:, None] - PLACES.parts[label][None]) ** 2).sum(-1).min(1)
            for label in KEYS.labels
        ],
        axis=1,
    )
    likelihood = np.exp(-np.maximum(squares - squares.min(axis=1, keepdims=True), 0) / 72)
    return likelihood / likelihood.sum(axis=1, keepdims=True)


def accuracy(scores, keys):
    return (scores.argmax(axis=1) == keys).mean()
