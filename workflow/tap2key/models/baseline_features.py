"""What the baselines see of a tap: delays, levels, cepstra, or whole correlations."""

import numpy as np

from tap2key.audio.array import WHOLE
from tap2key.config.stage_settings import KINDS_OF_PAIRS, MULTILATERATION
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.encoding import OF_ONE_CHANNEL, Encoding
from tap2key.models.divergence import check_windows

COEFFICIENTS = 13
MEL_BANDS = 26
FRAME_S = 0.004


def baseline_features(kind: str, inputs: np.ndarray, encoding: Encoding) -> np.ndarray:
    """The features of encoded windows: [n, length] → [n, features].

    Of c channels, gcc_phat_forest: c (c − 1) / 2 delays and c levels; level_forest: c levels;
    mfcc_forest: mean and standard deviation over time of 13 mel-frequency cepstral coefficients of
    each channel; pairs_forest and pairs_svm: every pair's correlation at all lags, as encoded;
    multilateration: the delays.

    Raises:
        Tap2keyError: see `check_channels`; or windows or their features are not finite numbers.
    """
    check_channels(kind, encoding)
    check_windows(inputs)
    if kind in KINDS_OF_PAIRS:
        return inputs
    windows = encoding.separated(inputs)
    features = _features(kind, windows, encoding)
    # Squares of values far beyond full scale overflow.
    check_windows(features)
    return features


def check_channels(kind: str, encoding: Encoding) -> None:
    """Refuse an encoding of which a baseline, or learned GCC, cannot be made.

    Raises:
        Tap2keyError: it does not keep channels apart, or there are too few of them; or whole
            correlations are needed, and it is of waves.
    """
    if kind in KINDS_OF_PAIRS:
        if not encoding.correlated:
            raise Tap2keyError(
                f"{kind} needs correlations: set encoding.representation to pairs, not "
                f"{encoding.representation}"
            )
        return
    if encoding.stacked or encoding.representation in OF_ONE_CHANNEL:
        raise Tap2keyError(
            f"{kind} needs channels side by side: set encoding.representation to interleave or a "
            f"group of channels, not {encoding.representation}"
        )
    if kind == MULTILATERATION and encoding.array.positions_mm is None:
        raise Tap2keyError(f"{kind} needs to know where microphones are: set array.positions_mm")
    if encoding.channels < 2 and kind != "mfcc_forest":
        raise Tap2keyError(
            f"{kind} compares channels, but there is only one; record with more, or use mfcc_forest"
        )


def _features(kind: str, windows: np.ndarray, encoding: Encoding) -> np.ndarray:
    if kind == "mfcc_forest":
        return cepstra(windows, encoding.sample_rate)
    # Imported here: SciPy takes most of a second, and a run's plan only asks `check_channels`.
    from tap2key.signal.delays import gcc_phat_delays, level_ratios, with_slopes

    windows = with_slopes(windows)
    longest_s = encoding.array.max_delay_ms / 1000
    if kind == MULTILATERATION:
        return gcc_phat_delays(windows, encoding.sample_rate, longest_s)
    levels = level_ratios(windows)
    if kind == "level_forest":
        return levels
    return np.hstack([gcc_phat_delays(windows, encoding.sample_rate, longest_s), levels])


def feature_count(kind: str, encoding: Encoding, length: int) -> int:
    """How many features a forest sees of a tap; see `baseline_features`.

    Args:
        kind: of forest.
        encoding: of its windows.
        length: values of one of them.
    """
    if kind in KINDS_OF_PAIRS:
        return length
    channels = encoding.channels
    if kind == "mfcc_forest":
        return 2 * COEFFICIENTS * channels
    return channels if kind == "level_forest" else channels * (channels + 1) // 2


def microphones_of(encoding: Encoding) -> np.ndarray:
    """Where the microphones of an encoding's channels are: [channels, 2 or 3] in mm."""
    array = encoding.array
    assert array.positions_mm is not None
    places = np.array(array.positions_mm, dtype=float)[list(array.kept)]
    if encoding.representation in WHOLE:
        return places
    return places[list(array.group(encoding.representation))]


def cepstra(windows: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean and standard deviation of mel-frequency cepstra (librosa): [n, c, t] → [n, 26·c]."""
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
