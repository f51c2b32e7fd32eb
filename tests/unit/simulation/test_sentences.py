from itertools import pairwise

import numpy as np
import pytest

from tap2key.core.files import read_tsv
from tap2key.core.shipped import KEYBOARD, KEYBOARDS
from tap2key.decoding.characters import symbol_of, what_types
from tap2key.decoding.text_entry import Entered, final
from tap2key.simulation.plan import checked_settings, plan_study
from tap2key.simulation.sentences import digraph_gaps, phrases_of, type_phrases
from tap2key.simulation.session_table import write_texts
from tap2key.study.keyboard import load_keyboard
from tap2key.study.session_files import ACOUSTIC, NEONODE
from tap2key.study.texts import read_texts

TABLE_TOP, LAPTOP = load_keyboard(KEYBOARD), load_keyboard(KEYBOARDS / "ansi.csv")
SETTINGS = checked_settings({"text": "phrases", "participants": 2, "recordings": 2, "taps": 90})
PHRASES = ("the quick fox", "was very lazy")


def symbols(typed, keyboard):
    names = [keyboard.labels[keyboard.centre_labels[at]] for at in typed.centres]
    return [symbol_of(name, what_types(keyboard)) for name in names]


def test_what_is_typed_without_slips_is_the_text_on_keys_that_type_it():
    typed = type_phrases(np.random.default_rng(1), PHRASES, TABLE_TOP, 3.5, 0.0)
    assert "".join(symbols(typed, TABLE_TOP)) == "the quick fox\nwas very lazy\n"
    gaps = np.diff(typed.contact_s)
    assert (gaps >= 0.06).all()
    within = np.delete(gaps, 13)
    assert 1 / within.mean() == pytest.approx(3.5, rel=0.02)
    # Before the next phrase people read it.
    assert gaps[13] > 0.8


def test_a_typist_prefers_a_part_of_the_space_bar():
    names = []
    for seed in range(20):
        typed = type_phrases(np.random.default_rng(seed), ["a a a a a a a a"], TABLE_TOP, 3.5, 0.0)
        labels = [TABLE_TOP.labels[TABLE_TOP.centre_labels[at]] for at in typed.centres]
        names.append({name for name in labels if name.startswith("_")})
    assert all(1 <= len(own) <= 4 for own in names)
    assert set.union(*names) == {f"_{part}" for part in range(1, 7)}


def test_slips_come_at_their_rate_and_are_of_all_kinds():
    text = "the quick brown foxes ran over many lazy dogs"
    typed = type_phrases(np.random.default_rng(2), [text] * 60, TABLE_TOP, 3.5, 0.05)
    found = "".join(symbols(typed, TABLE_TOP)).split("\n")[:-1]
    assert len(found) == 60
    from rapidfuzz.distance import Levenshtein

    tags = [op.tag for line in found for op in Levenshtein.editops(text, line)]
    assert len(tags) / (60 * len(text)) == pytest.approx(0.05, abs=0.012)
    assert {kind: tags.count(kind) for kind in set(tags)}.keys() == {"replace", "insert", "delete"}
    assert tags.count("replace") > tags.count("delete") > 0


def test_where_there_is_a_backspace_most_slips_are_mended():
    text = "the quick brown foxes ran over many lazy dogs"
    typed = type_phrases(np.random.default_rng(3), [text] * 60, LAPTOP, 3.5, 0.05)
    stream = symbols(typed, LAPTOP)
    assert stream.count("\b") > 60
    from rapidfuzz.distance import Levenshtein

    kept, _ = final([Entered(symbol, 0.0) for symbol in stream])
    asked, typed_text = f"{text}\n" * 60, "".join(each.text for each in kept)
    left = Levenshtein.distance(asked, typed_text)
    assert 0 < left / (60 * len(text)) < 0.02


def test_the_other_hand_is_sooner_and_a_near_key_sooner_than_a_far_one():
    place = {key: TABLE_TOP.centres[TABLE_TOP.labels.index(key)] / 10 for key in "qwaplf"}
    gap = {
        pair: digraph_gaps(np.array([place["p"], place["q"], *(place[c] for c in pair)]))[-1]
        for pair in ("qw", "qf", "ql", "qq")
    }
    assert gap["ql"] < gap["qq"] < gap["qw"] < gap["qf"]
    # 165 + 52 log2(A / W + 1) ms, of keys of 19 mm.
    apart = np.linalg.norm(place["q"] - place["w"])
    assert gap["qw"] == pytest.approx(0.165 + 0.052 * np.log2(apart / 19 + 1))


def test_everybody_types_other_phrases_none_twice_as_many_as_fit():
    found = [phrases_of(session, SETTINGS, TABLE_TOP) for session in plan_study(SETTINGS)]
    assert found == [phrases_of(session, SETTINGS, TABLE_TOP) for session in plan_study(SETTINGS)]
    of_first = [phrase for recordings in found[:2] for one in recordings for phrase in one]
    assert len(of_first) == len(set(of_first))
    assert of_first != [phrase for recordings in found[2:] for one in recordings for phrase in one]
    for recordings in found:
        for phrases in recordings:
            assert 50 < sum(len(phrase) + 1 for phrase in phrases) <= 90
    many = {**SETTINGS, "recordings": 15, "taps": 360}
    for one, following in pairwise(phrases_of(plan_study(many)[0], many, TABLE_TOP)):
        taps = sum(len(phrase) + 1 for phrase in one)
        assert taps <= 360 < taps + len(following[0]) + 1
    short = {**SETTINGS, "taps": 1}
    assert all(len(one) == 1 for one in phrases_of(plan_study(short)[0], short, TABLE_TOP))


@pytest.mark.parametrize("layout", ["flat", "nested"])
def test_the_table_of_texts_says_what_was_asked_in_the_sessions_that_are_there(tmp_path, layout):
    settings = {**SETTINGS, "layout": layout}
    planned = plan_study(settings)
    for session in planned[:1]:
        for part in (ACOUSTIC, NEONODE):
            (tmp_path / session.folder / part).mkdir(parents=True)
    write_texts(tmp_path, planned, settings, TABLE_TOP)
    found = read_texts(tmp_path / "texts.tsv", TABLE_TOP)
    session = "01_27_23_data" if layout == "flat" else "01_27_23"
    assert {key[:2] for key in found} == {("Tony", session)}
    asked = phrases_of(planned[0], settings, TABLE_TOP)
    assert [each.phrases for each in found.values()] == asked
    assert len(read_tsv(tmp_path / "texts.tsv")) == sum(map(len, asked))


def test_without_a_text_no_table_of_texts_is_written(tmp_path):
    settings = checked_settings({})
    write_texts(tmp_path, plan_study(settings), settings, TABLE_TOP)
    assert not list(tmp_path.iterdir())
    assert phrases_of(plan_study(settings)[0], settings, TABLE_TOP) == [(), ()]
