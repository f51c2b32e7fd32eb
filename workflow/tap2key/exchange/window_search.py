"""Find given windows in the recording that they were cut from."""

import numpy as np
from scipy import fft

from tap2key.audio.audio_file import AudioFile

# Windows that were scaled or rounded when they were saved still correlate better than this.
LEAST_CORRELATION = 0.99


def locate(audio: AudioFile, windows: np.ndarray) -> np.ndarray:
    """Where each window starts in a recording, in one pass through it.

    A window is there if all its samples are; failing that, where the loudest of its channels
    correlates best, if that is at least `LEAST_CORRELATION`.

    Args:
        audio: the recording.
        windows: [n, channels, samples] float32, of the recording's array.

    Returns:
        [n] first samples, −1 for a window that is not in the recording.
    """
    starts = np.full(len(windows), -1)
    length = audio.array.window
    held, offset = np.zeros((0, windows.shape[1]), np.float32), 0
    for block in audio.blocks():
        piece = np.concatenate([held, block])
        for i in np.flatnonzero(starts < 0):
            at = _exactly(piece, windows[i])
            if at is not None:
                starts[i] = offset + at
        held = piece[max(0, len(piece) - length + 1) :]
        offset += len(piece) - len(held)
    left = np.flatnonzero(starts < 0)
    if len(left):
        starts[left] = _by_correlation(audio, windows[left])
    return starts


def _exactly(piece: np.ndarray, window: np.ndarray) -> int | None:
    # The loudest sample is the rarest, so that few places need a closer look.
    channel, sample = np.unravel_index(np.abs(window).argmax(), window.shape)
    for place in np.flatnonzero(piece[:, channel] == window[channel, sample]):
        first = place - sample
        inside = first >= 0 and first + window.shape[1] <= len(piece)
        if inside and np.array_equal(piece[first : first + window.shape[1]].T, window):
            return int(first)
    return None


def _by_correlation(audio: AudioFile, windows: np.ndarray) -> np.ndarray:
    channels = np.abs(windows).max(axis=2).argmax(axis=1)
    templates = np.stack([w[c] for w, c in zip(windows, channels, strict=True)]).astype(float)
    templates -= templates.mean(axis=1, keepdims=True)
    templates /= np.maximum(np.linalg.norm(templates, axis=1, keepdims=True), 1e-30)
    starts, best = np.full(len(windows), -1), np.full(len(windows), LEAST_CORRELATION)
    length = audio.array.window
    held, offset = np.zeros((0, windows.shape[1]), np.float32), 0
    for block in audio.blocks():
        piece = np.concatenate([held, block])
        places = len(piece) - length + 1
        if places > 0:
            size = fft.next_fast_len(len(piece), real=True)
            for channel in np.unique(channels):
                sound = piece[:, channel].astype(float)
                norms = _norms(sound, length)
                spectrum = fft.rfft(sound, size)
                for i in np.flatnonzero(channels == channel):
                    turned = np.conj(fft.rfft(templates[i], size))
                    correlation = fft.irfft(spectrum * turned, size)[:places] / norms
                    at = int(correlation.argmax())
                    if correlation[at] > best[i]:
                        starts[i], best[i] = offset + at, correlation[at]
        held = piece[max(0, places) :] if places > 0 else piece
        offset += len(piece) - len(held)
    return starts


def _norms(sound: np.ndarray, length: int) -> np.ndarray:
    """The norm of each stretch of a length about its mean: [n] → [n − length + 1]."""
    sums, squares = (np.concatenate([[0], np.cumsum(values)]) for values in (sound, sound * sound))
    sums, squares = (total[length:] - total[:-length] for total in (sums, squares))
    return np.sqrt(np.maximum(squares - sums * sums / length, 1e-12))
