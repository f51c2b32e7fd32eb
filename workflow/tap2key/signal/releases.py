"""Which sounds of a mechanical key are its press, its release, or the finger's contact before.

A key is heard up to three times: when the finger meets it, when it is down (which a logger
notices), and when it is released, 60 to 170 ms later. How to distinguish them is learned from each
recording: how long keys are held, and the balance of high and low tones.

Sources:
    Viterbi, A. (1967), Error bounds for convolutional codes, IEEE Trans. Inf. Theory 13, 260-269:
        the most likely sequence of roles, here among the best few beams.
    Asonov, D., Agrawal, R. (2004), Keyboard acoustic emanations, IEEE Symp. Security and Privacy:
        the touch, hit and release peaks of a key, the last some 100 ms after the first.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tap2key.audio.audio_file import AudioFile
from tap2key.signal.detection import Taps, Watcher, find_taps, hop_at, hop_energies, hops_per_s

PRESS, RELEASE, CONTACT = 0, 1, 2
# A key's sounds are softer and longer than a tap on a plate; of 700 presses of a laptop's keys 684
# rise by 6 standard deviations, 697 by 4.5.
RISE_SD = 4.5
# A logger's time is that of the key being down, which must be found as an onset of its own: presses
# then spread by 2 to 10 ms about logged times, else by 3 to 20.
APART_S = 0.012
FEWEST = 8

HELD_S = (0.06, 0.17)
# The longest time from the finger's contact until the key is down.
CONTACT_S = 0.095
# A release may be heard twice.
ECHO_S, ECHOES = 0.04, 0.2
GAP_WIDTH_S = 0.01
STRAY_GAPS = 0.05
# A release whose press was not heard.
LONE_RELEASES = 0.01
BEAMS = 40
ROUNDS = 8

SECTION_S, MAXIMUM_S, LOW_BAND_S = 0.016, 0.001, 0.001
FEWEST_TO_LEARN = 6
# Of the log energies' covariance, so that a few similar sounds do not look certain.
LEAST_VARIANCE = 0.1
MOST_FAVOUR = 6.0
TINY = 1e-12


@dataclass(frozen=True)
class _Habits:
    """How keys are struck in a recording: `held_s` and its spread `held_sd_s`, the shares of
    presses with an audible release and an audible contact, and presses per second.
    """

    held_s: float
    held_sd_s: float = 0.02
    released: float = 0.9
    touched: float = 0.3
    per_s: float = 1.0


# A press whose release is still to come: its first and its last sound.
_Open = tuple[int, int]


class _State(NamedTuple):
    """Open presses, and the index of the release just heard, −1 for none."""

    open: tuple[_Open, ...]
    released: int


def find_sounds(
    audio: AudioFile, peak_height: float | None = None, watch: Watcher | None = None
) -> tuple[Taps, np.ndarray]:
    """A recording's sounds of keys, told apart more finely than taps, and each one's role: [n].

    Args:
        audio: the recording.
        peak_height: see `find_taps`.
        watch: see `find_taps`.
    """
    sounds = find_taps(audio, peak_height, watch, RISE_SD, APART_S)
    return sounds, tell_roles(sounds.time_s, loudness(audio, sounds.onset))


def loudness(audio: AudioFile, onset: np.ndarray) -> np.ndarray:
    """Log energies of high and of low tones just after each onset: → [n, 2].

    High tones (above some 2 kHz) are the mean square within hops, low ones (about 250 Hz to 1 kHz)
    the square of the change from one ms to the next; both at their loudest ms, mean over channels.

    Args:
        audio: the recording.
        onset: [n] ascending, in samples.
    """
    hop, per_s = hop_at(audio.array.sample_rate), hops_per_s(audio.array.sample_rate)
    lag, run = round(LOW_BAND_S * per_s), round(MAXIMUM_S * per_s)
    length = round(SECTION_S * per_s) * hop
    rows = []
    for section in audio.sections(onset - lag * hop, length):
        mean, square = hop_energies(section, hop)
        high = square[lag:].mean(axis=1)
        low = ((mean[lag:] - mean[:-lag]) ** 2).mean(axis=1)
        pieces = len(high) // run
        both = np.stack([high, low])[:, : pieces * run].reshape(2, pieces, run)
        rows.append(np.log(both.mean(axis=2).max(axis=1) + TINY))
    return np.array(rows, dtype=float).reshape(-1, 2)


def tell_roles(onset_s: np.ndarray, loudness: np.ndarray) -> np.ndarray:
    """The role of each sound of a recording, from the sounds alone.

    Args:
        onset_s: [n] ascending, in seconds.
        loudness: [n, 2] log energies of high and of low tones.

    Returns:
        [n] `PRESS`, `RELEASE` or `CONTACT` (before a press, of the same key). All are
        presses if there are few, or no two are as far apart as a press and its release.
    """
    roles = np.full(len(onset_s), PRESS)
    held_s = _usual_gap(onset_s)
    if len(onset_s) < FEWEST or held_s is None:
        return roles
    duration_s = max(float(onset_s[-1] - onset_s[0]), 1.0)
    habits = _Habits(held_s, per_s=max(1.0, len(onset_s) / 2 / duration_s))
    favour = np.zeros(len(onset_s))
    for _ in range(ROUNDS):
        found = _decoded(onset_s, favour, habits)
        if np.array_equal(found, roles):
            break
        roles = found
        habits = _learned(onset_s, roles, habits)
        favour = _favour(roles, loudness, favour)
    return roles


def _usual_gap(onset_s: np.ndarray) -> float | None:
    """The commonest gap in the range between a press and its release; None if there is none."""
    gaps = np.concatenate([onset_s[lag:] - onset_s[:-lag] for lag in range(1, 5)])
    gaps = gaps[(gaps > HELD_S[0]) & (gaps < HELD_S[1])]
    if not len(gaps):
        return None
    grid = np.arange(*HELD_S, 0.002)
    votes = np.exp(-0.5 * ((grid[:, None] - gaps[None, :]) / GAP_WIDTH_S) ** 2).sum(axis=1)
    return float(grid[votes.argmax()])


def _decoded(onset_s: np.ndarray, favour: np.ndarray, habits: _Habits) -> np.ndarray:
    """The most likely roles, by the best few beams."""
    beams: dict[_State, tuple[float, tuple | None]] = {_State((), -1): (0.0, None)}
    unreleased = math.log(1 - habits.released)
    for i, now in enumerate(onset_s.tolist()):
        grown: dict[_State, tuple[float, tuple | None]] = {}
        for state, (score, path) in beams.items():
            open_ = tuple(press for press in state.open if now - onset_s[press[1]] <= HELD_S[1])
            score += unreleased * (len(state.open) - len(open_))
            for gain, role, new in _roles_next(i, onset_s, open_, state.released, favour, habits):
                if new not in grown or grown[new][0] < score + gain:
                    grown[new] = (score + gain, (role, path))
        beams = dict(sorted(grown.items(), key=lambda beam: -beam[1][0])[:BEAMS])
    ends = [(score + unreleased * len(s.open), path) for s, (score, path) in beams.items()]
    return _roles_of(max(ends, key=lambda end: end[0])[1], onset_s)


def _roles_next(
    i: int,
    onset_s: np.ndarray,
    open_: tuple[_Open, ...],
    released: int,
    favour: np.ndarray,
    habits: _Habits,
) -> Iterator[tuple[float, int, _State]]:
    """What sound `i` may be: log-likelihood relative to any press, role, and the state after it.

    The last sound of a press that has several stands as `CONTACT` here.
    """
    now = onset_s[i]
    yield 0.0, PRESS, _State((*open_, (i, i)), -1)
    yield math.log(LONE_RELEASES) + favour[i], RELEASE, _State(open_, i)
    if released >= 0 and now - onset_s[released] <= ECHO_S:
        echo = ECHOES / ECHO_S / habits.per_s
        yield math.log(echo) + favour[i], RELEASE, _State(open_, released)
    for at, (first, last) in enumerate(open_):
        others = open_[:at] + open_[at + 1 :]
        if now - onset_s[last] >= HELD_S[0]:
            likely = _release_density(now - onset_s[last], now - onset_s[first], habits)
            yield math.log(likely) + favour[i], RELEASE, _State(others, i)
        if now - onset_s[first] <= CONTACT_S:
            # The sound of a key that is down may resemble either.
            again = habits.touched / CONTACT_S / habits.per_s * 0.5 * (1 + math.exp(favour[i]))
            yield math.log(again), CONTACT, _State((*others, (first, i)), -1)


def _release_density(gap: float, from_first: float, habits: _Habits) -> float:
    """The likelihood of a release this long after a press, relative to a press by chance."""
    off = min(abs(gap - habits.held_s), abs(from_first - habits.held_s)) / habits.held_sd_s
    usual = math.exp(-0.5 * off**2) / (habits.held_sd_s * math.sqrt(2 * math.pi))
    stray = 1 / (HELD_S[1] - HELD_S[0])
    density = (1 - STRAY_GAPS) * usual + STRAY_GAPS * stray
    return habits.released * density / habits.per_s


def _roles_of(path: tuple | None, onset_s: np.ndarray) -> np.ndarray:
    """Roles from a beam's path, in which the second sound of a press stands as `CONTACT`."""
    found = []
    while path is not None:
        role, path = path
        found.append(role)
    roles = np.array(found[::-1])
    for second in np.flatnonzero(roles == CONTACT):
        before = onset_s[second] - onset_s[:second]
        near = np.flatnonzero((before <= CONTACT_S) & (roles[:second] == PRESS))
        roles[second] = PRESS
        roles[near[-1:]] = CONTACT
    return roles


def _learned(onset_s: np.ndarray, roles: np.ndarray, habits: _Habits) -> _Habits:
    presses, releases = onset_s[roles == PRESS], onset_s[roles == RELEASE]
    before = np.searchsorted(presses, releases) - 1
    gaps = (releases - presses[np.maximum(before, 0)])[before >= 0]
    gaps = gaps[(gaps > HELD_S[0]) & (gaps < HELD_S[1])]
    contacts = int((roles == CONTACT).sum())
    count = max(len(presses), 1)
    if len(gaps) >= 4:
        middle = float(np.median(gaps))
        spread = 1.4826 * float(np.median(np.abs(gaps - middle)))
        habits = replace(habits, held_s=middle, held_sd_s=min(max(spread, 0.008), 0.03))
    duration_s = max(float(onset_s[-1] - onset_s[0]), 1.0)
    return replace(
        habits,
        released=min(max((len(releases) + 1) / (count + 2), 0.05), 0.97),
        touched=min(max((contacts + 3) / (count + 20), 0.02), 0.5),
        per_s=max(1.0, len(presses) / duration_s),
    )


def _favour(roles: np.ndarray, loudness: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Log-likelihood ratio of each sound being a release rather than a press: [n].

    Two normal densities with one covariance (Fisher's linear discriminant).
    """
    press, release = (loudness[roles == role] for role in (PRESS, RELEASE))
    if min(len(press), len(release)) < FEWEST_TO_LEARN:
        return before
    middles = [np.median(group, axis=0) for group in (press, release)]
    apart = np.concatenate([press - middles[0], release - middles[1]])
    covariance = apart.T @ apart / len(apart) + LEAST_VARIANCE * np.eye(2)
    weights = np.linalg.solve(covariance, middles[1] - middles[0])
    ratio = (loudness - (middles[0] + middles[1]) / 2) @ weights
    return np.clip(ratio, -MOST_FAVOUR, MOST_FAVOUR)
