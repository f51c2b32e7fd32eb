import pytest

from tap2key.decoding.alignment import EXTRA, LACKING, RIGHT, WRONG, aligned, write_alignments
from tap2key.decoding.characters import BACKSPACE
from tap2key.decoding.text_entry import Counts, Entered, count_recording, measures_of, parted

PACE_S = 0.25


def entered(text):
    return [Entered(c, PACE_S * at) for at, c in enumerate(text)]


def measured(phrases, text, has_backspace=False):
    return measures_of(count_recording(phrases, entered(text), "\n")[0], has_backspace)


def test_the_example_of_soukoreff_and_mackenzie():
    # 2001: "quickly" and "qucehkly" are 3 apart, of 8 characters.
    found = measured(["quickly"], "qucehkly\n")
    assert found["msd_error_rate"] == pytest.approx(3 / 8)
    assert found["character_error_rate"] == pytest.approx(3 / 7)


def test_insertions_deletions_and_substitutions_apart():
    found = measured(["the cat sat", "on a mat"], "thee cat sat\non  mxt\n")
    asked = 11 + 8
    assert found["insertion_rate"] == pytest.approx(1 / asked)
    assert found["deletion_rate"] == pytest.approx(1 / asked)
    assert found["substitution_rate"] == pytest.approx(1 / asked)
    # "thee" for "the", "a" lacks, "mxt" for "mat".
    assert found["word_error_rate"] == pytest.approx(3 / 6)


def test_words_per_minute_count_from_a_phrases_first_character_to_its_last():
    # 2 phrases of 5 characters a quarter of a second apart; (|T| - 1) / S * 60 / 5.
    found = measured(["abcde", "fghij"], "abcde\nfghij\n")
    assert found["words_per_minute"] == pytest.approx((4 / (4 * PACE_S)) * 60 / 5)
    assert measured(["a"], "a\n")["words_per_minute"] is None


def test_corrected_errors_where_backspace_exists():
    # "c", an "x" taken back, "at", and a "z" left standing: C 3, INF 1, IF 1 (2003).
    text = f"cx{BACKSPACE}atz"
    counts, final = count_recording(["cat"], entered(text), "\n")
    assert (final, counts.erased) == (["catz"], 1)
    found = measures_of(counts, has_backspace=True)
    assert found["uncorrected_error_rate"] == pytest.approx(1 / 5)
    assert found["corrected_error_rate"] == pytest.approx(1 / 5)
    assert found["total_error_rate"] == pytest.approx(2 / 5)
    assert measures_of(counts, has_backspace=False)["total_error_rate"] is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("good day\nsee you\n", ["good day", "see you"]),
        ("good daysee you", ["good day", "see you"]),
        ("good day\nxsee you\n", ["good day", "xsee you"]),
        ("good day\n\nsee you", ["good day", "\nsee you"]),
        # Enter in place of a letter is nearer than a letter that lacks and an Enter too many.
        ("good da\n\nsee you", ["good da\n", "see you"]),
        ("", ["", ""]),
        ("see you\n", ["", "see you"]),
    ],
)
def test_phrases_are_parted_by_alignment(text, parts):
    found = parted(["good day", "see you"], entered(text), "\n")
    assert ["".join(each.text for each in part) for part in found] == parts


def test_counts_add_up():
    both, _ = count_recording(["abc", "de"], entered("abx\nd\n"), "\n")
    first, _ = count_recording(["abc"], entered("abx\n"), "\n")
    second, _ = count_recording(["de"], [Entered("d", 1.0), Entered("\n", 1.25)], "\n")
    assert both == first + second
    assert Counts() + both == both


def test_nothing_asked_has_no_rates():
    assert set(measures_of(Counts(), True).values()) == {None}


def test_versions_stand_in_common_columns_with_their_errors_marked():
    top, (first, second) = aligned("the cat", ["thhe cxt", "th cat"])
    assert len(top) == len(first) == len(second) == 8
    assert "".join(cell.text for cell in top).replace(" ", "") == "thecat"
    assert [c.kind for c in first].count(EXTRA) == [c.kind for c in first].count(WRONG) == 1
    assert [c.kind for c in second].count(LACKING) == 1
    assert [c.kind for c in second].count(RIGHT) == 6
    columns = list(zip(top, first, second, strict=True))
    (wrong,) = [column for column in columns if column[1].kind == WRONG]
    assert (wrong[0].text, wrong[1].text, wrong[2].text) == ("a", "x", "a")


def test_the_page_holds_all_versions_and_nothing_unescaped(tmp_path):
    phrases = [("Ana <i>", "1 / r", "a<b", {"heard": "a<x", "decoded": "a<b"})]
    write_alignments(tmp_path / "page.html", "T", "N", phrases)
    page = (tmp_path / "page.html").read_text()
    assert "Ana &lt;i&gt;" in page
    assert '<span class="wrong">x</span>' in page
    assert page.count("a&lt;b") == 2
