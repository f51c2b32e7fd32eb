"""The sound of single taps of a session: through the table, and through the air."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import fft, signal

from tap2key.audio.array import DEFAULT, Array
from tap2key.simulation import room
from tap2key.simulation.difficulty import DISTURBANCES, Difficulty
from tap2key.simulation.microphones import nominal_mm
from tap2key.simulation.plate import MATERIALS, Plate
from tap2key.simulation.typist import Typist

# At which sound is rendered, whatever the array's rate: see `recorded`.
SAMPLE_RATE = 96_000
# 43 ms: the slowest audible second-order image arrives 25 ms after contact.
RESPONSE_SAMPLES = 4096
# Room for what the band limits smear to before the contact.
LEAD_SAMPLES = 64
FADE_SAMPLES = 512
TOP_HZ = 40_000.0
MICROPHONE_BAND_HZ = (40.0, 22_000.0)
REFERENCE_DISTANCE_M = 0.1
MM_PER_M = 1000.0


@dataclass(frozen=True)
class Setup:
    """What stays the same throughout a session.

    `microphones_mm` is [channels, 2] in the sensor's coordinates, `gains` is [channels]. `skew` is
    how many samples late each channel is, [channels].
    """

    material: str
    speed_factor: float
    microphones_mm: np.ndarray
    gains: np.ndarray
    snr_db: float
    skew: np.ndarray


def draw_setup(
    rng: np.random.Generator,
    material: str,
    difficulty: Difficulty,
    array: Array = DEFAULT,
    set_mm: np.ndarray | None = None,
) -> Setup:
    """Set the microphones up for a session, around the places of their set or the nominal ones."""
    microphones = difficulty["microphones"]
    around = nominal_mm(array, difficulty) if set_mm is None else set_mm
    return Setup(
        material=material,
        speed_factor=rng.uniform(*difficulty["plate"]["speed_range"]),
        microphones_mm=around + rng.normal(0, microphones["placement_sd_mm"], around.shape),
        gains=10 ** (rng.normal(0, microphones["gain_sd_db"], array.channels) / 20),
        snr_db=rng.uniform(*difficulty["noise"]["snr_db"]),
        # Last, so that all else is drawn as without it.
        skew=rng.integers(
            int(difficulty[DISTURBANCES]["skew"]["samples"]) + 1, size=array.channels
        ),
    )


def on_table_m(position_mm: np.ndarray, difficulty: Difficulty) -> np.ndarray:
    """From the sensor's mm to metres from the table's front right corner: [..., 2] → [..., 2]."""
    table = difficulty["table"]
    x = position_mm[..., 0] + table["to_right_edge_mm"]
    y = table["to_front_edge_mm"] - position_mm[..., 1]
    return np.stack([x, y], axis=-1) / MM_PER_M


def half_sine_spectrum(frequency_hz: np.ndarray, duration_s: float) -> np.ndarray:
    """Fourier transform of a half-sine of unit peak that starts at 0: [f] → [f] complex, in s.

    The contact force of a soft elastic body against a stiff plate is close to a half-sine (Cremer,
    Heckl, Petersson 2005, ch. 4): (π/T) (1 + exp(-iωT)) / ((π/T)² - ω²).
    """
    omega = 2 * np.pi * frequency_hz
    rate = np.pi / duration_s
    # At ω = π/T both vanish; a hair beside it the quotient is right to 1e-6.
    omega = np.where(np.abs(omega / rate - 1) < 1e-6, rate * (1 + 1e-6), omega)
    return rate * (1 + np.exp(-1j * omega * duration_s)) / (rate**2 - omega**2)


class TapSound:
    """Makes single taps of one session audible."""

    def __init__(self, setup: Setup, typist: Typist, difficulty: Difficulty) -> None:
        """Tabulate the plate for a session; `typist` sets how loud the air is beside it."""
        step = SAMPLE_RATE / RESPONSE_SAMPLES
        self._bins = np.arange(1, int(TOP_HZ / step) + 1)
        self._frequency_hz = self._bins * step
        table = difficulty["table"]
        self._difficulty = difficulty
        self._gains = setup.gains
        self._microphones_m = on_table_m(setup.microphones_mm, difficulty)
        usual = MATERIALS[setup.material]
        self._plate = Plate(
            replace(usual, thickness_m=usual.thickness_m * table["thickness"]),
            setup.speed_factor,
            (table["width_mm"] / MM_PER_M, table["depth_mm"] / MM_PER_M),
            self._microphones_m,
            table["edge_reflection"],
            self._frequency_hz,
        )
        low, high = MICROPHONE_BAND_HZ
        _, band_low = signal.freqs(
            *signal.butter(1, low, "highpass", analog=True), self._frequency_hz
        )
        _, band_high = signal.freqs(*signal.butter(6, high, analog=True), self._frequency_hz)
        self._microphone = 2j * np.pi * self._frequency_hz * band_low * band_high
        fade = np.ones(RESPONSE_SAMPLES, dtype=np.float32)
        fade[-FADE_SAMPLES:] = np.cos(np.linspace(0, np.pi / 2, FADE_SAMPLES)) ** 2
        # What still rings after 43 ms wraps round to here, some 50 dB below the peak.
        fade[:LEAD_SAMPLES] = np.sin(np.linspace(0, np.pi / 2, LEAD_SAMPLES)) ** 2
        self._fade = fade
        force = self._force(typist.pad_s, typist.click_s, typist.click_share)
        plate = self._plate.direct(REFERENCE_DISTANCE_M)
        audible = self._frequency_hz > room.HIGH_PASS_HZ
        ratio = np.linalg.norm((plate * force)[audible]) / np.linalg.norm(force[audible])
        self._airborne = ratio * 10 ** (difficulty["plate"]["airborne_db"] / 20)

    def _force(self, pad_s: float, click_s: float, click_share: float) -> np.ndarray:
        pad = half_sine_spectrum(self._frequency_hz, pad_s)
        click = half_sine_spectrum(self._frequency_hz, click_s)
        return ((1 - click_share) * pad + click_share * click) * self._microphone

    def arrival_s(self, position_mm: np.ndarray) -> float:
        """From contact to the first arrival at any microphone, in s: [2] → float."""
        distances = self._plate.distances_m(on_table_m(position_mm, self._difficulty))
        return float(distances.min() / self._plate.front_speed_m_s)

    def render(
        self,
        position_mm: np.ndarray,
        pad_s: float,
        click_s: float,
        click_share: float,
        shift: float,
    ) -> np.ndarray:
        """The sound of a tap of unit force.

        The contact is `LEAD_SAMPLES + shift` samples after the first one; `shift` may be any
        fraction.

        Returns:
            [channels, 4096] float32 in arbitrary units, without the bounce.
        """
        at = on_table_m(position_mm, self._difficulty)
        distances = self._plate.distances_m(at)
        force = self._force_after(pad_s, click_s, click_share, shift)
        seconds = distances / room.SPEED_OF_SOUND_M_S
        air = np.exp((-2j * np.pi * seconds[:, None] * self._frequency_hz).astype(np.complex64))
        # Air spreads as 1/r; a finger's width above the microphone it stops growing.
        air *= (self._airborne * REFERENCE_DISTANCE_M / np.maximum(distances, 0.02))[:, None]
        sound = self._faded((self._plate.spectra(at) + air) * force.astype(np.complex64))
        sound *= self._gains[:, None].astype(np.float32)
        return sound

    def render_reverberation(
        self,
        rng: np.random.Generator,
        pad_s: float,
        click_s: float,
        click_share: float,
        shift: float,
    ) -> np.ndarray:
        """What the room returns of the tap's airborne sound; see `render`, and `room`.

        Returns:
            [channels, samples] float32 in the same units, from the same first sample on.
        """
        force = self._force_after(pad_s, click_s, click_share, shift)
        at_a_metre = self._airborne * REFERENCE_DISTANCE_M * force
        (dry,) = self._faded(at_a_metre[None].astype(np.complex64))
        channels = len(self._gains)
        sound = room.reverberation(rng, dry, channels, SAMPLE_RATE, self._difficulty)
        sound *= self._gains[:, None].astype(np.float32)
        return sound

    def _force_after(
        self, pad_s: float, click_s: float, click_share: float, shift: float
    ) -> np.ndarray:
        """The force's spectrum, with contact `LEAD_SAMPLES + shift` samples after the start."""
        delay = (LEAD_SAMPLES + shift) / SAMPLE_RATE
        force = self._force(pad_s, click_s, click_share)
        force *= np.exp(-2j * np.pi * self._frequency_hz * delay) * SAMPLE_RATE
        return force

    def _faded(self, audible: np.ndarray) -> np.ndarray:
        """Sound from its spectra at the audible frequencies: [n, f] → [n, 4096] float32."""
        spectra = np.zeros((len(audible), RESPONSE_SAMPLES // 2 + 1), dtype=np.complex64)
        spectra[:, self._bins] = audible
        sound = fft.irfft(spectra, RESPONSE_SAMPLES, axis=1)
        sound *= self._fade
        return sound


def tap_power(tap: np.ndarray, onset: float) -> float:
    """Mean square behind the high-pass, over channels and 20 ms from an onset in samples."""
    first = int(onset)
    last = first + int(room.LEVEL_WINDOW_S * SAMPLE_RATE)
    filtered = signal.sosfilt(room.high_pass(SAMPLE_RATE), tap[:, :last], axis=1)
    return float(np.mean(filtered[:, first:] ** 2))
