"""What the forests see of a tap: delays, levels, or cepstra."""

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.datasets.representations import CHANNELS, Encoding
from tap2key.models.divergence import check_windows
from tap2key.signal.delays import gcc_phat_delays, level_ratios, with_slopes

# Delays beyond the time that a wave needs across the table are noise.
MAX_DELAY_S = 0.002
COEFFICIENTS = 13
MEL_BANDS = 26
FRAME_S = 0.004


def forest_features(kind: str, inputs: np.ndarray, encoding: Encoding) -> np.ndarray:
    """The features of encoded windows: [n, length] → [n, features].

    gcc_phat_forest: 28 delays and 8 levels; level_forest: 8 levels; mfcc_forest: mean and standard
    deviation over time of 13 mel-frequency cepstral coefficients of each channel.

    Raises:
        Tap2keyError: the encoding does not keep all eight channels apart, or windows or their
            features are not finite numbers.
    """
    if encoding.representation != "interleave":
        raise Tap2keyError(
            f"{kind} needs all eight channels: set encoding.representation to interleave, "
            f"not {encoding.representation}"
        )
    check_windows(inputs)
    windows = inputs.reshape(len(inputs), -1, CHANNELS).transpose(0, 2, 1)
    features = _features(kind, windows, encoding.sample_rate)
    # Squares of values far beyond full scale overflow.
    check_windows(features)
    return features


def _features(kind: str, windows: np.ndarray, sample_rate: int) -> np.ndarray:
    if kind == "mfcc_forest":
        return cepstra(windows, sample_rate)
    windows = with_slopes(windows)
    levels = level_ratios(windows)
    if kind == "level_forest":
        return levels
    return np.hstack([gcc_phat_delays(windows, sample_rate, MAX_DELAY_S), levels])


def cepstra(windows: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean and standard deviation of mel-frequency cepstra (librosa): [n, 8, t] → [n, 208]."""
    # Imported here: it takes seconds, and only this baseline needs it.
    import librosa

    frame = max(16, round(FRAME_S * sample_rate))
    cepstrum = librosa.feature.mfcc(
        y=np.ascontiguousarray(windows),
        sr=sample_rate,
        n_mfcc=COEFFICIENTS,
        n_mels=MEL_BANDS,
        n_fft=frame,
        hop_length=frame // 2,
    )
    summary = np.concatenate([cepstrum.mean(axis=-1), cepstrum.std(axis=-1)], axis=-1)
    return summary.reshape(len(windows), -1)
