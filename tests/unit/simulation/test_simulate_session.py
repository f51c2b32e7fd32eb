import hashlib
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from tap2key.__main__ import main
from tap2key.audio.array import DEFAULT
from tap2key.core.files import read_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.simulation import recording_job, sensor
from tap2key.simulation.difficulty import load_difficulty
from tap2key.simulation.microphones import nominal_mm
from tap2key.simulation.plan import plan_study
from tap2key.simulation.random_streams import Purpose, bounded_normal, stream
from tap2key.study.keyboard import load_keyboard

SMALL = ["--participants", "1", "--sessions", "2", "--recordings", "2", "--taps", "24"]
LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6},\d+,(   Down|   Move|     Up),\d+,\d+,\d+"
)


def simulate(root, *more):
    arguments = ["simulate", "--study", str(root / "study"), "--truth", str(root / "truth")]
    return main([*arguments, *SMALL, *more])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("simulated")
    assert simulate(root, "--threads", "2") == 0
    return root


def folders(root):
    return sorted(p.name for p in (root / "study").iterdir() if p.is_dir())


def contents(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_one_session_alone_is_byte_for_byte_the_one_of_the_whole(made, tmp_path):
    folder = folders(made)[1]
    assert simulate(tmp_path, "--only", folder, "--threads", "1") == 0
    assert folders(tmp_path) == [folder]
    for part in ("study", "truth"):
        alone = contents(tmp_path / part / folder)
        assert len(alone) == 3
        assert alone == contents(made / part / folder)


def drawn(root, folder):
    """What chance decided in a session: per recording its taps, clock, setup and quiet start."""
    truth = pd.read_parquet(root / "truth" / folder / "true_taps.parquet")
    rows = read_tsv(root / "truth" / folder / "true_recordings.tsv")
    result = []
    for row, path in zip(rows, sorted((root / "study" / folder).rglob("*.wav")), strict=True):
        taps = truth[truth["recording"] == row["recording"]]
        quiet = round(96_000 * (taps["contact_s"].min() - 0.02))
        facts = {name: {row[name]} for name in ("latency_s", "drift_ppm", "snr_db", "speed_factor")}
        facts["contact_s"] = set(taps["contact_s"])
        # Differences: hum and rumble of two rooms are alike.
        result.append((facts, np.diff(soundfile.read(path, quiet)[0][:, 0], 2)))
    return result


# As made before tables, rooms and sets of microphones could differ: of each recording a sample of
# every channel where the first is loudest, and of each session a hash of its touch log.
EARLIER_SOUND = {
    "11.03.01.577_01_27_2023": (438_631, [-5558, -5448, -7595, -2835, -1657, -6062, -3416, -909]),
    "11.03.55.092_01_27_2023": (470_940, [-10762, -7876, -7647, -9103, -3711, -6436, -7125, -3737]),
    "09.48.20.414_02_03_2023": (608_713, [-9890, -7539, -6476, -3992, -4490, -3227, -6044, -2468]),
    "09.49.05.122_02_03_2023": (965_769, [-8521, -5540, -6600, -5861, -5207, -5871, -7193, -4070]),
}
EARLIER_TOUCHES = {
    "11.02.42_01_27_2023_nnode": "bae7a8628658e8f3021fa563f73648cc58527dee4b1a38460ed54b8d19ff0be0",
    "09.47.58_02_03_2023_nnode": "0f02d51a0497f178622abd02bdb67662c374e556f662818dce5cdef4af0ea4b9",
}


def test_the_standard_difficulty_gives_the_recordings_that_it_always_gave(made):
    wavs = {path.stem: path for path in (made / "study").rglob("*.wav")}
    assert wavs.keys() == EARLIER_SOUND.keys()
    for name, (at, samples) in EARLIER_SOUND.items():
        sound, _ = soundfile.read(wavs[name], dtype="int16")
        # Another processor may round otherwise.
        np.testing.assert_allclose(sound[at], samples, atol=1)
        assert np.abs(sound[:, 0].astype(int)).argmax() == at
    logs = {path.stem: path.read_bytes() for path in (made / "study").rglob("*.csv")}
    assert {n: hashlib.sha256(log).hexdigest() for n, log in logs.items()} == EARLIER_TOUCHES


def test_the_study_says_which_table_room_and_microphones_a_session_had(made):
    rows = read_tsv(made / "study" / "study.tsv")
    assert [row["path"] for row in rows] == sorted(folders(made))
    assert [(row["table"], row["room"], row["microphones"]) for row in rows] == [
        ("mdf", "office", "set-1"),
        ("plywood", "office", "set-1"),
    ]


def setups_of(folder, difficulty):
    """Where microphones stood in the sessions of a hard study, by their set."""
    found = {}
    for planned in plan_study({"difficulty": "hard", "participants": 30, "sessions": 3}):
        job = recording_job.Job(planned, 0, 1, 24, "PCM_16", None, difficulty, DEFAULT, folder)
        found.setdefault(planned.microphone_set, []).append(job.setup().microphones_mm)
    return {name: np.array(places) for name, places in found.items()}


def test_microphones_are_re_placed_by_millimetres_within_a_set_and_centimetres_between(tmp_path):
    hard = load_difficulty("hard")
    found = setups_of(tmp_path, hard)
    within = np.mean([places.std(axis=0, ddof=1) for places in found.values()])
    assert within == pytest.approx(hard["microphones"]["placement_sd_mm"], rel=0.1)
    middles = np.array([places.mean(axis=0) for places in found.values()])
    between = np.sqrt(np.mean(middles.var(axis=0, ddof=1)))
    assert between == pytest.approx(hard["microphones"]["set_sd_mm"], rel=0.25)
    middle = (middles - nominal_mm(DEFAULT, hard)).mean()
    assert abs(middle) < 3 * hard["microphones"]["set_sd_mm"] / np.sqrt(middles.size)


def test_another_seed_is_another_study(made, tmp_path, monkeypatch):
    """In every respect: nothing is drawn from a stream that the seed does not reach."""
    folder = folders(made)[0]
    asked = set()

    def watched(seed, purpose, *place):
        asked.add((seed, purpose))
        return stream(seed, purpose, *place)

    monkeypatch.setattr(recording_job, "stream", watched)
    assert simulate(tmp_path, "--seed", "2", "--only", folder, "--threads", "1") == 0
    assert asked == {(2, purpose) for purpose in Purpose}
    for (one, noise), (other, others_noise) in zip(
        drawn(made, folder), drawn(tmp_path, folder), strict=True
    ):
        assert {name for name in one if one[name] & other[name]} == set()
        shared = min(len(noise), len(others_noise))
        assert shared > 10_000
        assert abs(np.corrcoef(noise[:shared], others_noise[:shared])[0, 1]) < 0.05


def test_a_study_holds_recordings_and_touches_and_no_truth(made):
    for folder in folders(made):
        names = sorted(contents(made / "study" / folder))
        assert len(names) == 3
        assert all(n.startswith("01.acoustic/") and n.endswith(".wav") for n in names[:2])
        assert names[2].startswith("02.neonode/")
        assert names[2].endswith("nnode.csv")


def test_truth_inside_the_study_is_refused(tmp_path, capsys):
    inside = ["simulate", "--study", str(tmp_path), "--truth", str(tmp_path / "truth")]
    assert main(inside) == 1
    assert "inside the study" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_session_that_is_not_planned_is_refused(tmp_path, capsys):
    assert simulate(tmp_path, "--only", "Nobody_01_01_23_data") == 1
    assert "no session" in capsys.readouterr().err


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT"])
def test_recordings_have_the_wanted_format(tmp_path, made, subtype):
    assert simulate(tmp_path, "--only", folders(made)[0], "--subtype", subtype) == 0
    for path in (tmp_path / "study").rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.channels, info.samplerate, info.subtype) == (8, 96_000, subtype)


def test_recordings_are_loud_but_do_not_clip(made):
    for path in (made / "study").rglob("*.wav"):
        sound, _ = soundfile.read(path)
        assert -14.1 < 20 * np.log10(np.abs(sound).max()) < -1.9


def read_log(made, folder):
    path = next((made / "study" / folder).rglob("*nnode.csv"))
    lines = path.read_text().splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    log = pd.read_csv(path, header=None, names=["time", "touch", "event", "x", "y", "size"])
    return log.assign(time=pd.to_datetime(log["time"]), event=log["event"].str.strip())


def test_the_log_is_in_order_and_every_finger_leaves_again(made):
    for folder in folders(made):
        log = read_log(made, folder)
        assert log["time"].is_monotonic_increasing
        down: set[int] = set()
        for touch, event in zip(log["touch"], log["event"], strict=True):
            assert (touch in down) == (event != "Down")
            if event == "Down":
                down.add(touch)
            elif event == "Up":
                down.remove(touch)
        assert not down


def test_every_touch_of_the_truth_is_in_the_log_and_obeys_the_clock(made):
    keyboard = load_keyboard(KEYBOARD)
    for folder in folders(made):
        log = read_log(made, folder)
        downs = log[log["event"] == "Down"].set_index("time")
        truth = pd.read_parquet(made / "truth" / folder / "true_taps.parquet")
        rows = {
            r["recording"]: r for r in read_tsv(made / "truth" / folder / "true_recordings.tsv")
        }
        touched = truth[truth["touched"]]
        own = downs.loc[touched["touch_time"]]
        np.testing.assert_array_equal(own[["x", "y"]], touched[["touch_x", "touch_y"]].round())
        for recording, taps in touched.groupby("recording"):
            start = pd.to_datetime(recording.replace(".", "_", 3), format="%H_%M_%S_%f_%m_%d_%Y")
            row = rows[recording]
            file_time = taps["contact_s"] * (1 + float(row["drift_ppm"]) * 1e-6)
            elapsed = (taps["touch_time"] - start).dt.total_seconds()
            delay = elapsed - file_time + float(row["latency_s"])
            assert delay.between(0.004 - 1e-5, 0.004 + 1 / 33 + 1e-5).all()
            assert delay.mean() == pytest.approx(float(row["sensor_delay_s"]), abs=1e-5)
            assert (taps["label"] == np.array(keyboard.labels)[nearest(keyboard, taps)]).all()
        assert (
            truth.loc[~truth["touched"], ["touch_time", "touch_x", "touch_label"]]
            .isna()
            .all(axis=None)
        )
        assert (truth["time_s"] > truth["contact_s"]).all()


def nearest(keyboard, taps):
    return keyboard.nearest(taps[["x", "y"]].to_numpy())


@pytest.fixture
def difficulty():
    return load_difficulty()


def test_two_in_a_hundred_touches_are_missed_and_one_is_invented(difficulty):
    keyboard, rng = load_keyboard(KEYBOARD), stream(1, Purpose.SENSOR)
    assert sensor.missed(rng, 50_000, difficulty).mean() == pytest.approx(0.02, abs=0.002)
    invented = sensor.phantoms(rng, keyboard, 50_000, 100.0, difficulty)
    assert len(invented.start_s) / 50_000 == pytest.approx(0.01, abs=0.0015)


def test_a_second_finger_that_the_sensor_takes_for_the_first_has_no_touch(made, tmp_path):
    sure = load_difficulty()
    sure["sensor"]["missed"] = 0
    sure["disturbances"]["overlap"].update(share=1.0, missed=1.0)
    (tmp_path / "sure.yaml").write_text(yaml.safe_dump(sure))
    folder = folders(made)[0]
    given = ("--difficulty", str(tmp_path / "sure.yaml"), "--only", folder, "--threads", "1")
    assert simulate(tmp_path, *given) == 0
    truth = pd.read_parquet(tmp_path / "truth" / folder / "true_taps.parquet")
    # Otherwise no two taps are closer than 60 ms.
    second = truth.groupby("recording")["contact_s"].diff() < 0.05
    assert second.sum() > len(truth) / 3
    assert (truth["touched"] == ~second).all()


def test_readings_are_a_millimetre_off(difficulty):
    place = np.full((20_000, 2), 100.0)
    off = sensor.read_positions(stream(1, Purpose.SENSOR), place, difficulty) - place
    np.testing.assert_allclose(off.std(axis=0), 1.0, rtol=0.02)


def test_the_sensor_is_slow_after_a_pause_and_fast_while_it_is_used(difficulty):
    start = np.concatenate([np.arange(2000) * 2.0, np.arange(2000) * 2.0 + 0.3])
    contacts = sensor.Contacts(start, np.full(4000, 0.08), np.zeros((4000, 2)))
    late = sensor.scan_times(stream(1, Purpose.SENSOR), contacts, difficulty) - start - 0.004
    first, second = late[:2000], late[2000:]
    assert first.min() >= 0 and first.max() <= 1 / 33 + 1e-9
    assert first.mean() == pytest.approx(0.5 / 33, rel=0.05)
    assert second.min() >= 0 and second.max() <= 0.01 + 1e-9


def test_palms_stay_long_and_low(difficulty):
    keyboard = load_keyboard(KEYBOARD)
    palms = sensor.palms(stream(1, Purpose.SENSOR), keyboard, 60_000.0, difficulty)
    assert len(palms.start_s) == pytest.approx(500, abs=80)
    assert palms.duration_s.min() >= 0.4
    assert palms.reading_mm[:, 1].min() >= 150


def test_bounded_draws_stay_within_their_bound():
    drawn = bounded_normal(stream(1, Purpose.CLOCK), 2, 10_000)
    assert np.abs(drawn).max() <= 2
    assert drawn.std() == pytest.approx(0.88, abs=0.02)
