import pytest
from made import RECORDING

from tap2key.config.configuration import complete_config, read_config
from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD, SHIPPED_TEXTS
from tap2key.decoding.planned_texts import plan_texts
from tap2key.study.manifest import Recording

HEADER = "participant\tsession\trecording\ttext\n"
EXPERIMENTS = {"apart": {"out": True}, "random": {"out": False}}
STEM = RECORDING.removesuffix(".wav")


def plan(tmp_path, rows=None, **changes):
    (tmp_path / "study").mkdir(exist_ok=True)
    if rows is not None:
        (tmp_path / "study" / "texts.tsv").write_text(HEADER + rows)
    raw = {**read_config([]), "study": str(tmp_path / "study"), **changes}
    recordings = [
        Recording(person, "1", STEM, tmp_path / RECORDING, None, None, ())
        for person in ("Ana", "Bo")
    ]
    return plan_texts(
        complete_config(raw),
        EXPERIMENTS,
        lambda settings: settings["out"],
        recordings,
        str(KEYBOARD),
        str(tmp_path / "simulated"),
    )


def test_nothing_is_decoded_unless_asked_for(tmp_path):
    found = plan(tmp_path, "Ana\t1\twrong\t5\n")
    assert (found.experiments, found.options, found.for_new) == ((), (), None)


def test_experiments_that_hold_people_out_are_decoded_against_the_studys_texts(tmp_path):
    found = plan(
        tmp_path,
        f"Ana\t1\t{STEM}\tgood day\n",
        decode={"language_models": ["none", "corpus"], "corpus": "phrases"},
    )
    assert found.experiments == ("apart",)
    assert found.tables == found.declared == (str(tmp_path / "study" / "texts.tsv"),)
    assert found.corpus == (str(SHIPPED_TEXTS["phrases"]),)
    assert found.options == ("--language-models", "none", "corpus", "--corpus=phrases")


def test_texts_of_somebody_unknown_are_told(tmp_path, capsys):
    rows = f"Ana\t1\t{STEM}\tgood day\nAnna\t1\t{STEM}\tgood day\n"
    plan(tmp_path, rows, decode={"language_models": ["none"]})
    said = capsys.readouterr().err
    assert "line 3: no recording of a participant 'Anna' is used; texts left out" in said


def test_texts_that_are_simulated_are_no_inputs_of_jobs(tmp_path):
    found = plan(tmp_path, simulate={"text": "evaluation"}, decode={"language_models": ["none"]})
    assert found.tables == (str(tmp_path / "simulated" / "texts.tsv"),)
    assert found.declared == ()
    assert found.typed == (str(SHIPPED_TEXTS["evaluation"]),)


def test_new_recordings_need_no_texts(tmp_path):
    found = plan(tmp_path, predict={"recordings": "new", "language_model": "word_frequencies"})
    assert found.for_new == "word_frequencies"
    assert found.options == ("--language-models", "word_frequencies")
    assert found.experiments == ()
    assert plan(tmp_path, predict={"language_model": "none"}).options == ()


@pytest.mark.parametrize(
    ("rows", "decode", "message"),
    [
        (None, {}, "what was typed is not known; put a texts.tsv into the study"),
        ("Ana\t1\tother\thi\n", {}, "line 2: no recording Ana/1/other is used; those of Ana"),
        (f"Anna\t1\t{STEM}\thi\n", {}, "names no recording that is used; add rows"),
        (f"Bo\t1\t{STEM}\tdrei €\n", {}, "line 2: no key of .* types '€'"),
        (f"Bo\t1\t{STEM}\thi\n", {"language_models": ["corpus"]}, "decode.corpus: is not set"),
        (
            f"Bo\t1\t{STEM}\thi\n",
            {"language_models": ["corpus"], "corpus": "absent.txt"},
            "decode.corpus: absent.txt: no such file",
        ),
        (f"Bo\t1\t{STEM}\thi\n", {"experiments": ["other"]}, "unknown 'other'"),
        (f"Bo\t1\t{STEM}\thi\n", {"experiments": ["random"]}, "whom it trains on"),
    ],
)
def test_what_cannot_be_decoded_is_said_before_any_job(tmp_path, rows, decode, message):
    with pytest.raises(Tap2keyError, match=message) as error:
        plan(tmp_path, rows, decode={"language_models": ["none"], **decode})
    assert "\n" not in str(error.value)
