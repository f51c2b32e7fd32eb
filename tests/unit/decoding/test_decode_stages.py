"""The stages fit-decoder, decode and summarize-text, and predict with a decoder."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from made import error_line, fold, people, stage, taps
from sounds import make_session

from tap2key.core.files import read_tsv
from tap2key.decoding.beam import Costs
from tap2key.decoding.character_model import corpus_model
from tap2key.decoding.characters import characters_of
from tap2key.decoding.choice import WITHOUT_LANGUAGE, choose_costs, decoded_of
from tap2key.decoding.entered_text import DecodedRun, read_decoded
from tap2key.decoding.fit_decoder import validating
from tap2key.decoding.heard import Heard
from tap2key.decoding.language_model import NoLanguageModel
from tap2key.decoding.text_entry import Counts, count_recording
from tap2key.reports.summarize_text import phrases_of, text_rows

HEADER = "participant\tsession\trecording\ttext\n"
KEYS = "label,x,y,types\na,0,0,a\nb,200,100,b\n|,400,200,\\n\n|,400,2000,\\n\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A forest that holds Ana out, everybody's taps, and texts of all but Chen's second session."""
    root = tmp_path_factory.mktemp("texts")
    datasets = people(root / "datasets", ["Ana", "Bo", "Chen"], taps=48)
    folder, training = fold(root / "fold", datasets, "Ana")
    stage(
        *("baseline", "--kind", "level_forest", "--trees", "5", "--fold", folder),
        *("--datasets", *training, "--output", root / "model"),
    )
    rows = []
    for person in datasets:
        for session in ("s1", "s2"):
            taps(root / "taps" / person / session, person, session, {"r1": [*"ab|ba|", None]})
            if (person, session) != ("Chen", "s2"):
                rows += [f"{person}\t{session}\tr1\t{text}\n" for text in ("ab", "ba")]
    (root / "texts.tsv").write_text(HEADER + "".join(rows))
    (root / "corpus.txt").write_text("ab\nba\nab\n")
    (root / "keys.csv").write_text(KEYS)
    stage(
        *("fit-decoder", "--model", root / "model", "--fold", root / "fold"),
        *("--taps", *sorted((root / "taps" / "Bo").iterdir())),
        *sorted((root / "taps" / "Chen").iterdir()),
        *("--texts", root / "texts.tsv", "--keyboard", root / "keys.csv"),
        *("--language-models", "none", "corpus", "--corpus", root / "corpus.txt"),
        *("--output", root / "decoders"),
    )
    stage(
        *("decode", "--model", root / "model"),
        *("--decoders", root / "decoders" / "none", root / "decoders" / "corpus"),
        *("--taps", *sorted((root / "taps" / "Ana").iterdir())),
        *("--texts", root / "texts.tsv", "--keyboard", root / "keys.csv"),
        *("--output", root / "decoded"),
    )
    return root


def test_costs_are_chosen_on_recordings_that_validate_whole(made):
    own = validating(made / "fold")
    trained = pq.read_table(made / "fold" / "train.parquet").to_pylist()
    assert own
    assert not own & {(r["participant"], r["session"], r["recording"]) for r in trained}
    known = {"/".join(key) for key in own} - {"Chen/s2/r1"}
    about = json.loads((made / "decoders" / "corpus" / "decoder.json").read_text())
    assert set(about["chosen"]["recordings"]) == known
    tried = read_tsv(made / "decoders" / "validation.tsv")
    for kind in ("none", "corpus"):
        of_kind = [row for row in tried if row["language_model"] == kind]
        (chosen,) = [row for row in of_kind if row["chosen"] == "True"]
        assert int(chosen["wrong_characters"]) == min(int(r["wrong_characters"]) for r in of_kind)
    assert {float(row["weight"]) for row in tried if row["language_model"] == "none"} == {0.0}


def test_every_decoded_character_keeps_its_tap_its_time_and_its_confidence(made):
    rows = pq.read_table(made / "decoded" / "characters.parquet").to_pylist()
    assert {row["language_model"] for row in rows} == {"none", "corpus"}
    times = {f"s{n}": 1 + np.arange(7) / 2 for n in (1, 2)}
    for row in rows:
        assert row["tap"] is None or row["time_s"] == times[row["session"]][row["tap"]]
        assert 0 < row["confidence"] <= 1


def test_what_the_sensor_saw_is_right_and_all_versions_are_counted(made):
    run = read_decoded(made / "decoded")
    assert (run.seen, run.has_backspace) == ((), False)
    rows = text_rows([run])
    by_version = {row["version"]: row for row in rows if row["participant"] == "Ana"}
    assert list(by_version) == ["sensor", "heard", "none", "corpus"]
    assert by_version["sensor"]["character_error_rate"] == 0
    assert by_version["sensor"]["phrases"] == 4
    assert by_version["heard"]["change"] == 0
    phrases = [*phrases_of([run])]
    assert [asked for _, _, asked, _ in phrases] == ["ab", "ba", "ab", "ba"]
    assert all(versions["typed (sensor)"] == asked for _, _, asked, versions in phrases)


def test_the_mean_is_over_people_and_has_the_interval_of_the_other_tables():
    def run(person, wrong, seed=0):
        counts = [
            (person, version, Counts(phrases=1, asked=10, longer=10, substitutions=errors))
            for version, errors in (("sensor", 0), ("heard", wrong), ("corpus", 1))
        ]
        where = {"participant": person, "session": "s", "recording": "r", "phrase": "1"}
        phrases = [{**where, "version": version, "text": ""} for _, version, _ in counts]
        return DecodedRun(seed, (), False, phrases, counts)

    rows = text_rows([run("Ana", 2), run("Bo", 4), run("Ana", 3, seed=1)])
    # What Ana typed is no more for being read by two models.
    assert {(r["participant"], r["phrases"]) for r in rows} == {("Ana", 1), ("Bo", 1), ("mean", 2)}
    (heard,) = [r for r in rows if (r["participant"], r["version"]) == ("mean", "heard")]
    assert heard["character_error_rate"] == pytest.approx((0.25 + 0.4) / 2)
    # Of two, t(0.975; 1) = 12.706 standard errors of half their difference.
    assert heard["character_error_rate_high"] == pytest.approx(0.325 + 12.706 * 0.075, abs=1e-3)
    (decoded,) = [r for r in rows if (r["participant"], r["version"]) == ("mean", "corpus")]
    assert decoded["change"] == pytest.approx(-(0.15 + 0.3) / 2)


def test_the_summary_is_written(made):
    stage(
        *("summarize-text", "--experiment", "exp", "--decoded", made / "decoded"),
        *("--output", made / "summary"),
    )
    assert {path.name for path in (made / "summary").iterdir()} == {
        *(f"text_entry.{end}" for end in ("tsv", "html", "png", "pdf")),
        *("alignment.html", "provenance.json"),
    }


def test_predict_writes_decoded_text_beside_raw_keys(made, tmp_path):
    session = tmp_path / "session"
    make_session(session, count=6)
    shutil.copy(next(session.glob("01.acoustic/*.wav")), tmp_path / "new.wav")
    arguments = ("predict", "--models", made / "model", "--recordings", tmp_path / "new.wav")
    stage(*arguments, "--output", tmp_path / "raw")
    decoders = ("--decoders", made / "decoders" / "corpus")
    stage(*arguments, *decoders, "--output", tmp_path / "read")
    for name in ("transcript.txt", "tapped_keys.parquet"):
        assert (tmp_path / "raw" / name).read_bytes() == (tmp_path / "read" / name).read_bytes()
    characters = pq.read_table(tmp_path / "read" / "characters.parquet").to_pylist()
    text = (tmp_path / "read" / "decoded.txt").read_text()
    assert text == "".join(row["character"] for row in characters) + "\n"
    times = pq.read_table(tmp_path / "read" / "tapped_keys.parquet")["time_s"].to_pylist()
    assert all(row["time_s"] == times[row["tap"]] for row in characters if row["tap"] is not None)


def test_phrases_that_the_corpus_knew_are_counted(made):
    chosen = json.loads((made / "decoders" / "corpus" / "decoder.json").read_text())["chosen"]
    assert chosen["asked_phrases_in_corpus"] == 2


def test_a_decoder_of_other_keys_is_refused(made, tmp_path, capsys):
    shutil.copytree(made / "decoders" / "none", tmp_path / "none")
    file = tmp_path / "none" / "decoder.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "labels": ["a", "b"]}))
    line = error_line(
        capsys,
        *("decode", "--model", made / "model", "--decoders", tmp_path / "none"),
        *("--taps", made / "taps" / "Ana" / "s1", "--texts", made / "texts.tsv"),
        *("--keyboard", made / "keys.csv", "--output", tmp_path / "out"),
    )
    assert "a decoder of other keys than the model has" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("corpus",), "decode.corpus is not set"),
        (("transformers",), "decode.checkpoint is not set"),
        (("word_frequencies", "--language", "xx"), "there are no word frequencies"),
        ((), "--language-models names none"),
    ],
)
def test_what_a_language_model_needs_is_asked_for_in_one_line(
    made, tmp_path, capsys, options, message
):
    line = error_line(
        capsys,
        *("fit-decoder", "--model", made / "model", "--fold", made / "fold"),
        *("--taps", made / "taps" / "Bo" / "s1", "--keyboard", made / "keys.csv"),
        *("--output", tmp_path / "out", "--language-models", *options),
    )
    assert message in line


def noisy(text, labels, seed, invented):
    """A recording of a text whose taps are named rightly at 3 of 4, with taps that nobody made."""
    rng = np.random.default_rng(seed)
    rows = []
    for c in text:
        if rng.random() < invented:
            rows.append(rng.dirichlet(np.full(len(labels), 0.5)))
        row = rng.dirichlet(np.full(len(labels), 0.3))
        row[labels.index(c)] += 0.8 * (rng.random() < 0.9)
        rows.append(row / row.sum())
    times = 0.2 * np.arange(len(rows))
    return Heard(
        ("P", "1", str(seed)),
        tuple(text.split("\n")[:-1]),
        times,
        np.log(rows),
        (None,) * len(rows),
    )


def test_the_chosen_costs_are_the_best_tried_and_help_on_other_recordings():
    labels = [*"abcdefghijklmnop\n "]
    lines = ["a big dog had", "bad food and a cab", "an old man had a bike", "mind a cold lamb"]
    characters = characters_of(labels, str)
    model = corpus_model("\n".join(lines), characters.symbols)
    train, test = (
        [noisy("\n".join(lines) + "\n", labels, seed, 0.15) for seed in seeds]
        for seeds in ((1, 2), (3,))
    )
    costs, tried = choose_costs(characters, model, Costs(), train)
    assert min(one.distance for one in tried) == next(
        one.distance for one in tried if one.costs == costs
    )

    def wrong(found):
        counts, _ = count_recording(test[0].phrases, found, "\n")
        return counts.substitutions + counts.insertions + counts.deletions

    raw = wrong(test[0].named(labels, str))
    assert wrong(decoded_of(test[0], characters, model, costs)) < raw / 2
    without = NoLanguageModel(characters.symbols)
    costs, tried = choose_costs(characters, without, WITHOUT_LANGUAGE, train)
    assert {one.costs.weight for one in tried} == {0.0}
    assert wrong(decoded_of(test[0], characters, without, costs)) <= raw


def test_without_recordings_the_usual_costs_are_taken():
    characters = characters_of(("a", " "), str)
    assert choose_costs(characters, NoLanguageModel("a "), Costs(), []) == (Costs(), [])
