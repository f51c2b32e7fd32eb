from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import write_json
from tap2key.core.shipped import KEYBOARD
from tap2key.evaluation.predictions import Predictions
from tap2key.simulation.difficulty import load_difficulty, of_session
from tap2key.simulation.plan import checked_settings, plan_study
from tap2key.simulation.random_streams import Purpose, stream
from tap2key.simulation.sentences import phrases_of, type_phrases
from tap2key.simulation.truth_scores import found_in_truth, read_truth, scores_by_truth
from tap2key.simulation.typist import draw_taps, draw_typist
from tap2key.study.keyboard import MM_PER_UNIT, load_keyboard

KEYS = load_keyboard(KEYBOARD)
TAPS = 40


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """The truth of a study in which everybody hits the middle of each key that they mean.

    Some fingers overlap, which moves taps in time.
    """
    root = tmp_path_factory.mktemp("simulated")
    exact = load_difficulty()
    exact["typist"] |= {"aim_sd_mm": 0, "row_bias_sd_mm": 0}
    exact["disturbances"]["overlap"]["share"] = 0.3
    (root / "exact.yaml").write_text(yaml.safe_dump(exact))
    settings = {"participants": 2, "sessions": 1, "recordings": 2, "taps": TAPS, "seed": 3}
    settings["difficulty"] = str(root / "exact.yaml")
    for planned in plan_study(settings):
        own = of_session(exact, planned.material, planned.room)
        person, at = planned.participant_index, planned.session_index
        tables = []
        for index, recording in enumerate(planned.recordings):
            typist = draw_typist(stream(3, Purpose.PERSON, person), KEYS, own)
            rng = stream(3, Purpose.TAPS, person, at, index)
            taps = draw_taps(rng, typist, KEYS, own, TAPS)
            labels = KEYS.nearest(taps.position_mm / MM_PER_UNIT)
            columns = {"tap": range(TAPS), "contact_s": taps.contact_s, "time_s": taps.contact_s}
            columns["label"] = np.array(KEYS.labels)[labels]
            name = Path(recording.name).stem
            whose = {"participant": planned.participant, "session": planned.session}
            tables.append(pd.DataFrame({**whose, "recording": name, **columns}))
        folder = root / "truth" / planned.folder
        folder.mkdir(parents=True)
        pd.concat(tables).to_parquet(folder / "true_taps.parquet", index=False)
        write_json(folder / "provenance.json", {"settings": {**settings, "array": {}}})
    return root / "truth"


def test_the_key_that_was_meant_is_the_one_the_simulator_aimed_at(simulated):
    truth = read_truth(simulated, KEYS)
    assert len(truth) == 2 * 2 * TAPS
    assert (truth["meant"] == truth["label"]).all()
    assert truth["meant"].nunique() == len(KEYS.labels)


def test_of_typed_text_the_key_that_was_meant_is_the_next_character(tmp_path):
    settings = checked_settings({"participants": 1, "sessions": 1, "text": "phrases", "taps": TAPS})
    (planned,) = plan_study(settings)
    own = of_session(load_difficulty(), planned.material, planned.room)
    typist = draw_typist(stream(settings["seed"], Purpose.PERSON, 0), KEYS, own)
    tables = []
    for index, (recording, phrases) in enumerate(
        zip(planned.recordings, phrases_of(planned, settings, KEYS), strict=True)
    ):
        rng = stream(settings["seed"], Purpose.TEXT, 0, 0, index)
        typed = type_phrases(rng, phrases, KEYS, typist.taps_per_s, 0.0)
        asked = [*"\n".join((*phrases, ""))]
        columns = {"recording": Path(recording.name).stem, "asked": asked}
        tables.append(pd.DataFrame({**columns, "contact_s": typed.contact_s}))
    folder = tmp_path / planned.folder
    folder.mkdir(parents=True)
    pd.concat(tables).to_parquet(folder / "true_taps.parquet", index=False)
    write_json(folder / "provenance.json", {"settings": {**settings, "array": {}}})
    truth = read_truth(tmp_path, KEYS)
    assert [KEYS.types[key] for key in truth["meant"]] == truth["asked"].tolist()


def test_a_study_that_was_simulated_otherwise_is_refused(simulated, tmp_path):
    with pytest.raises(Tap2keyError, match=r"no true_taps\.parquet"):
        read_truth(tmp_path, KEYS)
    path = next(simulated.rglob("true_taps.parquet"))
    copy = tmp_path / path.relative_to(simulated)
    copy.parent.mkdir(parents=True)
    copy.with_name("provenance.json").write_bytes(path.with_name("provenance.json").read_bytes())
    table = pd.read_parquet(path)
    table.assign(contact_s=table["contact_s"] + 0.001).to_parquet(copy)
    with pytest.raises(Tap2keyError, match="not simulated as this version would"):
        read_truth(tmp_path, KEYS)


def test_scores_are_against_what_was_touched_struck_and_meant():
    place = {"participant": "Ana", "recording": "r"}
    truth = pd.DataFrame(
        {
            **place,
            "session": "01_27_23",
            "tap": range(5),
            "time_s": np.arange(5.0),
            "label": ["_1", "_1", "_2", "_2", "_1"],
            "meant": ["_1", "_1", "_1", "_2", "_1"],
        }
    )
    # The second true tap is not found, and at 3.5 s one that is not there.
    seconds = [0.01, 2.0, 2.99, 3.5, 4.0]
    taps = pd.DataFrame({**place, "session": "01_27_23_data", "tap": range(5), "time_s": seconds})
    known = found_in_truth(taps, truth)
    assert known["true_tap"].fillna(-1).tolist() == [0, 2, 3, -1, 4]
    identity = tuple(("Ana", "01_27_23_data", "r", tap) for tap in range(5))
    labels = ("_1", "_2")  # each counts, though both are parts of the space bar
    nowhere = np.zeros((5, 2))
    found = Predictions(
        labels, identity, np.array([0, 1, 1, 1, 1]), np.eye(2)[[0, 0, 1, 0, 1]], nowhere, nowhere
    )
    ana, average = scores_by_truth("exp", [found, found], known, truth)
    assert (ana["participant"], average["participant"]) == ("Ana", "mean")
    assert ana["taps"] == average["taps"] == 4
    # Named 1, 1, 2, 2; touched 1, 2, 2, 2; struck 1, 2, 2, 1; meant 1, 1, 2, 1.
    expected = {"accuracy_touched": 3 / 4, "accuracy_struck": 2 / 4, "accuracy_meant": 3 / 4}
    expected |= {"recall": 4 / 5, "precision": 4 / 5}
    assert {name: ana[name] for name in expected} == pytest.approx(expected)
    assert ana["macro_f1_meant"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert average["macro_f1_struck"] == ana["macro_f1_struck"] == pytest.approx(1 / 2)
    with pytest.raises(Tap2keyError, match="same study"):
        found_in_truth(taps.assign(recording="other"), truth)
