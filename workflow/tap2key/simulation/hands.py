"""What hands are heard of besides taps: fingers that leave, palms that come down and rub.

The difficulty file names the sources.
"""

import numpy as np
from scipy import signal
from scipy.ndimage import uniform_filter1d

from tap2key.simulation import room
from tap2key.simulation.difficulty import DISTURBANCES, Difficulty
from tap2key.simulation.tap_sound import LEAD_SAMPLES, SAMPLE_RATE, TapSound, tap_power
from tap2key.simulation.typist import Taps

# Skin that peels off a surface is as brief as the nail's click and has no pad's thud.
NO_PAD = 1.0
# Palms lie below the lowest tap by so much.
BELOW_MM = (20.0, 50.0)
RUBBING_HZ = (100.0, 2000.0)
# So brief a contact is heard as the table's answer to a single push.
PUSH_S = 5e-5


def liftoff(maker: TapSound, taps: Taps, i: int, power: float) -> tuple[np.ndarray, int]:
    """How the finger of tap i is heard as it leaves the place that it tapped.

    Args:
        maker: of the session's sounds.
        taps: of the recording.
        i: which of them.
        power: of that tap, as `tap_power` measures it.

    Returns:
        [channels, 4096] float32, and its first sample in the recording.
    """
    first, shift = divmod((taps.contact_s[i] + taps.duration_s[i]) * SAMPLE_RATE, 1)
    place = taps.position_mm[i]
    sound = maker.render(place, taps.pad_s[i], taps.click_s[i], NO_PAD, shift)
    own = tap_power(sound, LEAD_SAMPLES + shift + maker.arrival_s(place) * SAMPLE_RATE)
    # A force that ends pulls where one that begins pushes.
    sound *= -np.float32(np.sqrt(power / own * 10 ** (taps.liftoff_db[i] / 10)))
    return sound, int(first) - LEAD_SAMPLES


def palms(
    rng: np.random.Generator,
    maker: TapSound,
    taps: Taps,
    samples: int,
    power: float,
    difficulty: Difficulty,
) -> list[tuple[np.ndarray, int]]:
    """Palms below the keys that come down or rub.

    Args:
        rng: draws how often, when, where and how.
        maker: of the session's sounds.
        taps: of the recording.
        samples: its length.
        power: of its median tap, as `tap_power` measures it.
        difficulty: its section `disturbances` says how often and how loud.

    Returns:
        Of each [channels, n] float32, and its first sample in the recording.
    """
    settings = difficulty[DISTURBANCES]["palms"]
    minutes = samples / SAMPLE_RATE / 60
    force = float(np.median(taps.force))
    made = []
    for _ in range(rng.poisson(settings["thumps_per_minute"] * minutes)):
        pad_s = rng.uniform(*settings["thump_ms"]) / 1000
        loudness = force * 10 ** (rng.uniform(*settings["thump_db"]) / 20)
        sound = maker.render(_below(rng, taps), pad_s, pad_s, 0.0, 0.0)
        made.append((np.float32(loudness) * sound, int(rng.integers(samples))))
    for _ in range(rng.poisson(settings["rubs_per_minute"] * minutes)):
        length = int(rng.uniform(*settings["rub_s"]) * SAMPLE_RATE)
        push = maker.render(_below(rng, taps), PUSH_S, PUSH_S, 1.0, 0.0)
        band = signal.butter(1, RUBBING_HZ, "bandpass", fs=SAMPLE_RATE, output="sos")
        skin = signal.sosfilt(band, rng.standard_normal(length)) * signal.windows.hann(length)
        sound = signal.fftconvolve(push, skin[None], axes=1)
        loudest = loudest_power(sound)
        wanted = power * 10 ** (rng.uniform(*settings["rub_db"]) / 10)
        sound *= np.sqrt(wanted / loudest)
        made.append((sound.astype(np.float32), int(rng.integers(samples))))
    return made


def loudest_power(sound: np.ndarray) -> float:
    """The largest mean square over channels and 20 ms behind the high-pass: [channels, samples]."""
    heard = signal.sosfilt(room.high_pass(SAMPLE_RATE), sound, axis=1)
    window = int(room.LEVEL_WINDOW_S * SAMPLE_RATE)
    means = uniform_filter1d(np.mean(heard**2, axis=0), window, mode="constant")
    return float(means.max())


def _below(rng: np.random.Generator, taps: Taps) -> np.ndarray:
    low, high = taps.position_mm.min(axis=0), taps.position_mm.max(axis=0)
    return np.array([rng.uniform(low[0], high[0]), high[1] + rng.uniform(*BELOW_MM)])
