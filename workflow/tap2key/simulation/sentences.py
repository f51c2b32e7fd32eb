"""People type sentences: which phrases, with which slips, on which keys and in what rhythm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tap2key.core.shipped import text_file
from tap2key.simulation.plan import PlannedSession
from tap2key.simulation.random_streams import Purpose, stream
from tap2key.study.keyboard import MM_PER_UNIT, Keyboard
from tap2key.study.texts import ENTER, SPACE, read_phrases

BACKSPACE_LABEL = "backspace"
# Fitts' law for the index finger: 165 + 52 log2(A / W + 1) ms (Silfverberg, MacKenzie and Korhonen,
# 2000), on keys of 19 mm.
FITTS_A_S, FITTS_B_S, KEY_MM = 0.165, 0.052, 19.0
# The other hand has moved meanwhile; it can strike after half the time of a repeated key at the
# earliest (MacKenzie and Soukoreff, 2002, for two thumbs).
OTHER_HAND_S = FITTS_A_S / 2
GAP_SPREAD = 0.22
SHORTEST_GAP_S = 0.06
FIRST_GAP_S, PHRASE_GAP_S = (0.6, 2.0), (0.8, 2.5)
SPACE_SPREAD_MM = 12.0
# Most slips substitute, then omit, then insert (Dhakal et al., 2018).
SLIPS, SLIP_SHARES = ("neighbour", "omit", "double"), (0.55, 0.25, 0.2)
NOTICED_SHARE = 0.8
NOTICED_AFTER = (0, 2)
NEIGHBOUR_MM = 25.0


@dataclass(frozen=True)
class Typed:
    """Which centre each tap aims at and when the finger touches down, in s: both [n]."""

    centres: np.ndarray
    contact_s: np.ndarray


def phrases_of(
    planned: PlannedSession, settings: Mapping[str, Any], keyboard: Keyboard
) -> list[tuple[str, ...]]:
    """The phrases of each recording of a session; none where `simulate.text` is not set.

    A participant goes through the file in an order of their own, and begins again at its end. A
    recording has as many as fit into `simulate.taps`, but at least one.

    Raises:
        Tap2keyError: see `read_phrases`.
    """
    path = text_file(settings["text"])
    if path is None:
        return [() for _ in planned.recordings]
    phrases = read_phrases(path, keyboard)
    own = stream(settings["seed"], Purpose.TEXT, planned.participant_index)
    order = own.permutation(len(phrases))
    at, found = 0, []
    for _ in range((planned.session_index + 1) * settings["recordings"]):
        chosen: list[str] = []
        left = settings["taps"]
        while not chosen or left > len(phrases[order[at % len(order)]]):
            chosen.append(phrases[order[at % len(order)]])
            left -= len(chosen[-1]) + 1
            at += 1
        found.append(tuple(chosen))
    return found[-settings["recordings"] :]


def type_phrases(
    rng: np.random.Generator,
    phrases: Sequence[str],
    keyboard: Keyboard,
    taps_per_s: float,
    error_rate: float,
) -> Typed:
    """Type phrases, each followed by Enter, or by a space where there is no Enter.

    Args:
        rng: draws slips, places and gaps.
        phrases: of characters that keys type without Shift.
        keyboard: its keys, all with places.
        taps_per_s: within phrases, on average.
        error_rate: slips per character. Where there is a Backspace most are noticed and mended.
    """
    keys = {text: label for label, text in keyboard.types.items() if text}
    by_symbol = {
        text: np.flatnonzero(
            [keyboard.types[keyboard.labels[at]] == text for at in keyboard.centre_labels]
        )
        for text in keys
    }
    back = [at for at, name in enumerate(keyboard.labels) if name.casefold() == BACKSPACE_LABEL]
    if back:
        by_symbol[BACKSPACE_LABEL] = np.flatnonzero(keyboard.centre_labels == back[0])
    end = ENTER if ENTER in keys else SPACE
    preferred = rng.choice(by_symbol[SPACE]) if SPACE in by_symbol else None
    centres: list[int] = []
    starts: list[int] = []
    for phrase in phrases:
        starts.append(len(centres))
        for symbol in [*_slipped(rng, phrase, keyboard, by_symbol, error_rate, bool(back)), end]:
            if isinstance(symbol, int):
                centres.append(symbol)
            elif symbol == SPACE and preferred is not None:
                centres.append(_on_space_bar(rng, keyboard, by_symbol[SPACE], preferred))
            else:
                centres.append(int(rng.choice(by_symbol[symbol])))
    chosen = np.array(centres)
    return Typed(chosen, _times(rng, keyboard.centres[chosen], starts, taps_per_s))


def _slipped(
    rng: np.random.Generator,
    phrase: str,
    keyboard: Keyboard,
    by_symbol: Mapping[str, np.ndarray],
    error_rate: float,
    can_mend: bool,
) -> list[str | int]:
    """What is struck for a phrase: symbols, or a centre by its number where a finger strayed."""
    struck: list[str | int] = []
    at = 0
    while at < len(phrase):
        if rng.random() >= error_rate:
            struck.append(phrase[at])
            at += 1
            continue
        slip = rng.choice(SLIPS, p=SLIP_SHARES)
        wrong: list[str | int] = []
        if slip == "neighbour":
            wrong = [_neighbour(rng, keyboard, by_symbol[phrase[at]])]
        elif slip == "double":
            wrong = [phrase[at], phrase[at]]
        more = int(rng.integers(*NOTICED_AFTER, endpoint=True))
        noticed = can_mend and rng.random() < NOTICED_SHARE
        struck += wrong
        if noticed:
            following = list(phrase[at + 1 : at + 1 + more])
            struck += [*following, *[BACKSPACE_LABEL] * (len(wrong) + len(following))]
        else:
            at += 1
    return struck


def _neighbour(rng: np.random.Generator, keyboard: Keyboard, own: np.ndarray) -> int:
    """A centre near a key's that types something else; the key's own if there is none."""
    apart = np.linalg.norm(keyboard.centres - keyboard.centres[own[0]], axis=1) * MM_PER_UNIT
    typing = np.array([bool(keyboard.types[keyboard.labels[a]]) for a in keyboard.centre_labels])
    same = np.isin(keyboard.centre_labels, keyboard.centre_labels[own])
    near = np.flatnonzero((apart <= NEIGHBOUR_MM) & typing & ~same)
    return int(rng.choice(near)) if len(near) else int(own[0])


def _on_space_bar(
    rng: np.random.Generator, keyboard: Keyboard, parts: np.ndarray, preferred: int
) -> int:
    """The part of the space bar that a thumb strikes which prefers one."""
    x = keyboard.centres[preferred, 0] + rng.normal(0, SPACE_SPREAD_MM) / MM_PER_UNIT
    return int(parts[np.abs(keyboard.centres[parts, 0] - x).argmin()])


def _times(
    rng: np.random.Generator, places: np.ndarray, starts: Sequence[int], taps_per_s: float
) -> np.ndarray:
    """Times of contact in s: places [n, 2] in 0.1 mm → [n], rising."""
    gaps = digraph_gaps(places * MM_PER_UNIT)
    gaps *= np.exp(rng.normal(0, GAP_SPREAD, len(gaps)))
    within = np.ones(len(gaps), dtype=bool)
    within[list(starts)] = False
    gaps *= 1 / (taps_per_s * gaps[within].mean()) if within.any() else 1.0
    gaps = np.maximum(gaps, SHORTEST_GAP_S)
    gaps[list(starts)] += rng.uniform(*PHRASE_GAP_S, len(starts))
    gaps[0] = rng.uniform(*FIRST_GAP_S)
    return np.cumsum(gaps)


def digraph_gaps(places_mm: np.ndarray) -> np.ndarray:
    """The time from each tap to the next of two hands with one finger each: [n, 2] → [n], in s.

    Of the same hand by Fitts' law; the other hand has been on its way since its last tap. The first
    gap is that of a key repeated.
    """
    middle = (places_mm[:, 0].min() + places_mm[:, 0].max()) / 2
    hands = places_mm[:, 0] > middle
    gaps = np.full(len(places_mm), FITTS_A_S)
    now, last = 0.0, {bool(hands[0]): (0.0, places_mm[0])}
    for at in range(1, len(places_mm)):
        hand = bool(hands[at])
        gap = OTHER_HAND_S
        if hand in last:
            since, place = last[hand]
            distance = float(np.linalg.norm(places_mm[at] - place))
            travel = FITTS_A_S + FITTS_B_S * np.log2(distance / KEY_MM + 1)
            same = hand == bool(hands[at - 1])
            gap = travel if same else max(OTHER_HAND_S, travel - (now - since))
        gaps[at] = gap
        now += gap
        last[hand] = (now, places_mm[at])
    return gaps
