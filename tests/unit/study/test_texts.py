import pytest

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD, KEYBOARDS, SHIPPED_TEXTS
from tap2key.study.keyboard import load_keyboard
from tap2key.study.texts import read_phrases, read_texts

TABLE_TOP = load_keyboard(KEYBOARD)
HEADER = "participant\tsession\trecording\ttext\n"


def texts(tmp_path, rows, keyboard=TABLE_TOP):
    path = tmp_path / "texts.tsv"
    path.write_text(HEADER + rows, encoding="utf-8")
    return read_texts(path, keyboard)


def test_rows_of_a_recording_are_phrases_in_their_order(tmp_path):
    found = texts(tmp_path, "Ana\t1\tr\tGood day\nBo\t1\tr\thi\nAna\t1\tr\tsee you\n")
    assert found["Ana", "1", "r"].phrases == ("good day", "see you")
    assert found["Bo", "1", "r"].phrases == ("hi",)
    assert found["Ana", "1", "r"].where.endswith("texts.tsv, line 2")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("Ana\t1\tr\t\n", "line 2: the cell text is empty"),
        ("Ana\t\tr\thi\n", "line 2: the cell session is empty"),
        ("Ana\t1\tr\thi\nAna\t1\tr\tfive 5\n", "line 3: no key of .* types '5'"),
        ("Ana\t1\tr\thi\tmore\n", "line 2: more cells"),
    ],
)
def test_a_bad_row_is_one_line(tmp_path, rows, message):
    with pytest.raises(Tap2keyError, match=message) as error:
        texts(tmp_path, rows)
    assert "\n" not in str(error.value)


def test_a_table_without_a_column_is_refused(tmp_path):
    (tmp_path / "texts.tsv").write_text("participant\tsession\ttext\nAna\t1\thi\n")
    with pytest.raises(Tap2keyError, match="no column recording"):
        read_texts(tmp_path / "texts.tsv", TABLE_TOP)


def test_what_is_typed_with_shift_is_its_key(tmp_path):
    laptop = load_keyboard(KEYBOARDS / "ansi.csv")
    found = texts(tmp_path, "Ana\t1\tr\tOk, 5!\n", laptop)
    assert found["Ana", "1", "r"].phrases == ("ok, 51",)


def test_shipped_phrases_are_many_different_and_typed_on_the_table_top_keyboard():
    phrases, others = (read_phrases(path, TABLE_TOP) for path in SHIPPED_TEXTS.values())
    assert len(phrases) >= 200
    assert len(others) >= 100
    assert len({*phrases, *others}) == len(phrases) + len(others)
    letters = set("abcdefghijklmnopqrstuvwxyz")
    for text in (phrases, others):
        assert letters <= set("".join(text))


def test_a_file_without_phrases_is_refused(tmp_path):
    (tmp_path / "t.txt").write_text("\n \n")
    with pytest.raises(Tap2keyError, match="holds no text"):
        read_phrases(tmp_path / "t.txt", TABLE_TOP)
