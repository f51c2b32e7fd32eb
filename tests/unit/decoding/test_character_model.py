import numpy as np
import pytest

from tap2key.core.shipped import SHIPPED_TEXTS
from tap2key.decoding.character_model import as_typed, corpus_model, frequencies_model
from tap2key.decoding.language_model import NoLanguageModel

SYMBOLS = (*"abcdefghijklmnopqrstuvwxyz", "\n", " ")


def bits_per_character(model, lines):
    total, count = 0.0, 0
    for line in lines:
        state = model.start()
        for c in f"{line}\n":
            symbol = model.symbols.index(c)
            total -= model.log_probabilities([state])[0][symbol]
            state, count = model.advanced(state, symbol), count + 1
    return total / count / np.log(2)


def test_witten_and_bells_interpolation_by_hand():
    # After Enter: a twice, b once; two kinds of three. After nothing, of all seven characters of
    # "a\n", "a\n", "b\n" (each after Enter): a 2, b 1, Enter 3; three kinds of six.
    model = corpus_model("a\na\nb\n", ("a", "b", "\n", " "))
    anything = 3 / 9 * 1 / 4
    a, b = anything + 2 / 9, anything + 1 / 9
    found = np.exp(model.log_probabilities([model.start()])[0])
    assert found[:2] == pytest.approx([2 / 5 * a + 2 / 5, 2 / 5 * b + 1 / 5])


def test_probabilities_add_up_to_one_after_any_text():
    lines = SHIPPED_TEXTS["phrases"].read_text().splitlines()
    words = [("the", 0.05), ("water", 0.001), ("was", 0.01)]
    for model in (corpus_model("\n".join(lines), SYMBOLS), frequencies_model(words, SYMBOLS)):
        state = model.start()
        for c in "the wzq\n was the water":
            assert np.exp(model.log_probabilities([state])).sum() == pytest.approx(1)
            state = model.advanced(state, SYMBOLS.index(c))


def test_phrases_make_other_phrases_likelier():
    phrases, others = (
        SHIPPED_TEXTS[name].read_text().splitlines() for name in ("phrases", "evaluation")
    )
    assert not set(phrases) & set(others)
    learned = bits_per_character(corpus_model("\n".join(phrases), SYMBOLS), others)
    assert learned < 2.8 < bits_per_character(NoLanguageModel(SYMBOLS), others)


def test_the_word_so_far_tells_more_than_the_last_characters():
    model = frequencies_model([("internationally", 0.001), ("nationalism", 0.001)], SYMBOLS)
    state = model.start()
    for c in "internationall":
        state = model.advanced(state, SYMBOLS.index(c))
    assert model.log_probabilities([state])[0].argmax() == SYMBOLS.index("y")
    state = model.start()
    for c in "nationalis":
        state = model.advanced(state, SYMBOLS.index(c))
    assert model.log_probabilities([state])[0].argmax() == SYMBOLS.index("m")


def test_words_end_after_enter_as_after_a_space():
    model = frequencies_model([("stone", 0.01), ("sea", 0.001)], SYMBOLS)
    after = []
    for before in (" ", "\n"):
        state = model.start()
        for c in f"sea{before}st":
            state = model.advanced(state, SYMBOLS.index(c))
        after.append(model.log_probabilities([state])[0])
    assert after[0] == pytest.approx(after[1])
    assert after[0].argmax() == SYMBOLS.index("o")


def test_a_corpus_is_read_as_it_would_be_typed():
    text = "Don't stop – it's 5 o’moon!\n\nWell-kept, OK?\n...\n"
    assert as_typed(text, SYMBOLS) == ["dont stop its omoon", "well kept ok"]
    assert as_typed("Ab", ("A", "a", "b", " ")) == ["Ab"]
    without_space = ("a", "b")
    assert as_typed("ab ba", without_space) == ["ab", "ba"]
    assert corpus_model("ab ba", without_space).knows_anything


def test_what_was_counted_later_is_not_forgotten_for_what_was_remembered():
    model = corpus_model("ab", SYMBOLS)
    before = model.log_probabilities([model.start()])[0].copy()
    model.count("zz", {"\n": 5})
    after = model.log_probabilities([model.start()])[0]
    assert after[SYMBOLS.index("z")] > before[SYMBOLS.index("z")]
