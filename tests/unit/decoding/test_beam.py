"""The decoder against an enumeration of all ways of typing, and on texts with known faults."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest

from tap2key.decoding.beam import Costs, Decoder
from tap2key.decoding.character_model import corpus_model
from tap2key.decoding.characters import BACKSPACE, DOUBT, characters_of
from tap2key.decoding.language_model import NoLanguageModel

LETTERS = "abcdefghijklmnopqrstuvwxyz"
KEYS = (*LETTERS, "|", *(f"_{part}" for part in range(1, 7)), "none")
TYPES = {**{c: c for c in LETTERS}, "|": "\n", "none": ""}
CORPUS = "the old bridge was built of stone\nplease water the plants\nthe water was cold\n" * 3


def types(label):
    return TYPES.get(label, " ")


CHARACTERS = characters_of(KEYS, types)


def taps(keys, sure=0.9):
    """Logarithms of probabilities with `sure` on each key, the rest shared evenly."""
    result = np.full((len(keys), len(KEYS)), (1 - sure) / (len(KEYS) - 1))
    result[range(len(keys)), [KEYS.index(key) for key in keys]] = sure
    return np.log(result)


def struck(text, part=3):
    return [{" ": f"_{part}", "\n": "|"}.get(c, c) for c in text]


def read(log_probabilities, costs=None, model=None, beam=32):
    model = model or corpus_model(CORPUS, CHARACTERS.symbols)
    times = 0.2 * np.arange(len(log_probabilities))
    return Decoder(CHARACTERS, model, costs or Costs(), beam).read(times, log_probabilities)


def text_of(characters):
    return "".join(each.text for each in characters)


def enumerated(characters, model, costs, rows):
    """The weight of every text, by trying every way of typing it."""
    likelihoods, silent = characters.log_likelihoods(rows, costs.spread)
    any_character = -costs.weight * np.log(len(characters.symbols))
    nothing = np.logaddexp(silent + any_character, -costs.invented)
    weights = defaultdict(lambda: -np.inf)
    symbols = range(len(characters.symbols))
    steps = [*product([None, *symbols], [None, *symbols])]
    for way in product(steps, repeat=len(rows)):
        state, score, text = model.start(), 0.0, ""
        for tap, (missed, typed) in enumerate(way):
            for symbol, cost in ((missed, -costs.missed), (typed, None)):
                if symbol is None:
                    continue
                language = costs.weight * model.log_probabilities([state])[0][symbol]
                score += language + (likelihoods[tap, symbol] if cost is None else cost)
                state, text = model.advanced(state, symbol), text + characters.symbols[symbol]
            score += nothing[tap] if typed is None else 0.0
        weights[text] = np.logaddexp(weights[text], score)
    return weights


def test_the_likeliest_text_and_its_certainty_are_those_of_all_ways_of_typing():
    characters = characters_of(
        ("a", "b", " ", "none"), {"a": "a", "b": "b", " ": " ", "none": ""}.get
    )
    model = corpus_model("ab ba abba\naab b\n", characters.symbols)
    rng = np.random.default_rng(5)
    for _ in range(6):
        rows = np.log(rng.dirichlet([0.6] * 4, size=3))
        costs = Costs(rng.uniform(0.3, 1.5), *rng.uniform(0.5, 3, 2), 0.7)
        wanted = enumerated(characters, model, costs, rows)
        decoder = Decoder(characters, model, costs, beam=5000)
        for at, row in enumerate(rows):
            decoder.feed(at, row)
        best = max(wanted, key=wanted.get)
        assert decoder.text == best
        found = {h.text: h.score for h in decoder._hypotheses}
        # Ways that are worse by far are given up.
        near = [text for text in wanted if wanted[text] > wanted[best] - 8]
        assert len(near) > 3
        for text in near:
            assert found[text] == pytest.approx(wanted[text], abs=1e-3)


def test_clear_taps_are_read_as_they_are():
    text = "zq xj\nkv"
    assert text_of(read(taps(struck(text), sure=0.999))) == text


def test_a_wrong_key_is_put_right_by_what_is_usual():
    rows = taps(struck("the old bridge"))
    rows[9] = np.log(0.5 * np.exp(taps(["q"])[0]) + 0.5 * np.exp(taps(["i"])[0]) - 1e-3)
    rows[9, KEYS.index("q")] += 0.2
    assert KEYS[rows[9].argmax()] == "q"
    assert text_of(read(rows)) == "the old bridge"


def test_a_missed_tap_is_filled_in_between_its_neighbours():
    found = read(taps(struck("the old brdge was"), sure=0.999), Costs(1.0, 4.0, 6.0))
    assert text_of(found) == "the old bridge was"
    filled = found[10]
    assert (filled.text, filled.tap) == ("i", None)
    assert found[9].time_s < filled.time_s < found[11].time_s
    assert [each.tap for each in found if each.tap is not None] == [*range(17)]


def test_an_invented_tap_types_nothing():
    rows = np.insert(taps(struck("the water")), 5, taps(["k"], sure=0.3), axis=0)
    found = read(rows, Costs(1.0, 9.0, 3.0))
    assert text_of(found) == "the water"
    assert 5 not in [each.tap for each in found]


def test_a_tap_outside_every_key_types_nothing_whatever_inventions_cost():
    rows = np.insert(taps(struck("the water"), sure=0.99), 5, taps(["none"], sure=0.99), axis=0)
    assert text_of(read(rows, Costs(1.0, 20.0, 20.0))) == "the water"


def test_a_letter_is_not_left_out_for_what_its_language_costs():
    # One plant is usual, and the last tap is a little likelier outside every key.
    model = corpus_model("water the plant\n" * 9 + "water the plants\n", CHARACTERS.symbols)
    rows = taps(struck("the plants\n"), sure=0.99)
    rows[-2] = np.log(1e-6)
    rows[-2, [KEYS.index("s"), KEYS.index("none")]] = np.log([0.45, 0.55])
    assert text_of(read(rows, model=model)) == "the plants\n"


def test_six_parts_of_the_space_bar_add_up_to_one_key():
    row = np.full(len(KEYS), 1e-6)
    for part in range(1, 7):
        row[KEYS.index(f"_{part}")] = 0.12
    row[KEYS.index("b")] = 0.28
    assert KEYS[row.argmax()] == "b"
    rows = np.log(row / row.sum())[None]
    of_one = (1 - DOUBT) * np.exp(rows[0, KEYS.index("_1")]) + DOUBT / len(KEYS)
    space = CHARACTERS.symbols.index(" ")
    for spread, wanted in ((0.0, 6 * of_one), (1.0, of_one), (0.5, np.sqrt(6) * of_one)):
        likelihoods, _ = CHARACTERS.log_likelihoods(rows, spread)
        assert likelihoods[0, space] == pytest.approx(np.log(wanted))
    without = NoLanguageModel(CHARACTERS.symbols)
    assert text_of(read(rows, Costs(0.0, 7, 9, spread=0.0), without)) == " "
    assert text_of(read(np.concatenate([taps(struck("the")), rows, taps(["w"])]))) == "the w"


def test_fed_tap_by_tap_the_text_is_revised_and_ends_as_the_whole():
    rows = taps(struck("please water"), sure=0.5)
    decoder = Decoder(CHARACTERS, corpus_model(CORPUS, CHARACTERS.symbols), Costs())
    for at, row in enumerate(rows):
        decoder.feed(0.2 * at, row)
    on_the_way = decoder.characters
    decoder.finish()
    assert decoder.characters == on_the_way == read(rows)
    assert decoder.text == text_of(on_the_way)
    decoder.feed(9.0, taps(["_2"])[0])
    assert decoder.text == text_of(on_the_way) + " "
    assert decoder.characters[-1].tap == len(rows)


def test_what_lies_back_is_settled_and_forgotten_without_another_outcome():
    text = "the old bridge was built of stone\nplease water the plants\n" * 4
    rows = taps(struck(text), sure=0.6)
    model = corpus_model(CORPUS, CHARACTERS.symbols)
    short, never = (Decoder(CHARACTERS, model, Costs(), 8, lag) for lag in (15, None))
    for at, row in enumerate(rows):
        for decoder in (short, never):
            decoder.feed(0.2 * at, row)
        assert len(short._times) <= 31
        assert max(len(h.text) for h in short._hypotheses) <= 40
    assert short.text == never.text
    assert [c.tap for c in short.characters] == [c.tap for c in never.characters]
    assert [c.time_s for c in short.characters] == [c.time_s for c in never.characters]
    assert len(short.settled) > len(rows) - 40


def test_a_character_that_could_be_another_is_less_certain():
    rows = taps(struck("xqx"), sure=0.99)
    rows[1] = np.log(0.5 * np.exp(taps(["q"], 0.99)[0]) + 0.5 * np.exp(taps(["z"], 0.99)[0]))
    model = NoLanguageModel(CHARACTERS.symbols)
    sure, doubtful, _ = read(rows, Costs(0.0, 7.0, 12.0), model)
    assert sure.confidence > 0.95
    assert doubtful.confidence == pytest.approx(0.5, abs=0.02)


def test_backspace_takes_the_last_character_back():
    labels = ("a", "b", "c", "backspace")
    characters = characters_of(labels, {"a": "a", "b": "b", "c": "c", "backspace": ""}.get)
    assert characters.symbols == ("a", "b", "c", BACKSPACE)
    rows = np.log(0.96 * np.eye(4)[[0, 1, 3, 2]] + 0.01)
    model = NoLanguageModel(("a", "b", "c"))
    found = Decoder(characters, model, Costs(0.5, 9, 9)).read(np.arange(4.0), rows)
    assert [(c.text, c.tap) for c in found] == [("a", 0), ("c", 3)]


def test_no_taps_are_no_text():
    assert read(np.zeros((0, len(KEYS)))) == []
