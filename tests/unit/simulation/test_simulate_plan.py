import re
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from itertools import combinations, pairwise
from pathlib import Path

import pytest

import tap2key
from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import DIFFICULTY
from tap2key.simulation.difficulty import load_difficulty, of_session
from tap2key.simulation.plan import MATERIALS, participant_name, plan_study

WAV_NAME = re.compile(
    r"(\d{2})\D(\d{2})\D(\d{2})\D(\d{1,6})\D(\d{2})\D(\d{2})\D(\d{4})\.wav$"  # DESIGN 4
)


def test_the_same_settings_give_the_same_plan():
    settings = {"participants": 3, "sessions": 2, "seed": 7}
    assert plan_study(settings) == plan_study(settings)
    assert plan_study(settings) != plan_study({**settings, "seed": 8})


def test_one_session_does_not_depend_on_how_many_there_are():
    assert plan_study({"participants": 5, "sessions": 3})[0] in plan_study({"participants": 1})


@pytest.mark.parametrize(
    ("layout", "pattern"),
    [
        ("flat", r"[A-Z][a-z]+\d*_\d\d_\d\d_\d\d_data"),
        ("nested", r"[A-Z][a-z]+\d*/\d\d_\d\d_\d\d"),
    ],
)
def test_folders_are_distinct_and_look_like_real_ones(layout, pattern):
    sessions = plan_study({"participants": 50, "sessions": 3, "layout": layout})
    folders = {session.folder for session in sessions}
    assert len(folders) == 150
    assert all(re.fullmatch(pattern, folder) for folder in folders)
    assert len({session.participant for session in sessions}) == 50


def test_names_repeat_only_with_a_number():
    names = [participant_name(index) for index in range(200)]
    assert len(set(names)) == 200
    assert not any("_" in name for name in names)


def test_file_names_carry_the_start_and_recordings_do_not_overlap():
    for session in plan_study({"recordings": 4, "taps": 100}):
        for recording in session.recordings:
            hour, minute, second, fraction, month, day, year = WAV_NAME.search(
                recording.name
            ).groups()
            start = recording.start
            assert (int(hour), int(minute), int(second)) == (
                start.hour,
                start.minute,
                start.second,
            )
            assert float(f"0.{fraction}") == pytest.approx(start.microsecond / 1e6)
            assert (int(month), int(day), int(year)) == (start.month, start.day, start.year)
        starts = [recording.start for recording in session.recordings]
        assert starts[0] > session.touch_start
        assert all(b - a >= timedelta(seconds=120) for a, b in pairwise(starts))


def test_mixed_materials_meet_every_participant_and_session():
    sessions = plan_study({"participants": 3, "sessions": 3, "material": "mixed"})
    for participant in range(3):
        own = {s.material for s in sessions if s.participant_index == participant}
        assert own == {"mdf", "plywood", "glass"}


@pytest.mark.parametrize(
    "settings",
    [{"participants": 0}, {"taps": 1.5}, {"seed": -1}, {"material": "steel"}, {"tap": 3}],
)
def test_impossible_settings_are_refused_in_one_line(settings):
    with pytest.raises(Tap2keyError) as error:
        plan_study(settings)
    assert "\n" not in str(error.value)


def test_the_plan_needs_no_library_that_takes_long_to_import():
    code = (
        "import sys; import tap2key.simulation.plan; "
        "sys.exit(bool({'numpy', 'scipy', 'pandas', 'torch'} & set(sys.modules)))"
    )
    package = Path(tap2key.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(package)})
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("replace", "by", "says"),
    [
        ("missed: 0.02", "missed: often", "missed"),
        ("missed: 0.02", "mised: 0.02", "missed"),
        ("snr_db: [15, 45]", "snr_db: [45, 15]", "snr_db"),
        ("snr_db: [15, 45]", "snr_db: 30", "snr_db"),
        ("missed: 0.02", "missed: 0.02\n  more: 1", "more"),
        ("sensor:", "sensor: [", "YAML"),
        ("samples: 0 ", "samples: 0.5 ", "samples"),
        ("samples: 0 ", "samples: -1 ", "samples"),
        ("rub_s:", "rubs_s:", "rub_s"),
    ],
)
def test_a_wrong_difficulty_file_is_refused_in_one_line(tmp_path, replace, by, says):
    path = tmp_path / "difficulty.yaml"
    path.write_text(DIFFICULTY.read_text().replace(replace, by))
    with pytest.raises(Tap2keyError, match=says) as error:
        load_difficulty(path)
    assert "\n" not in str(error.value)


def test_a_missing_difficulty_file_is_refused(tmp_path):
    with pytest.raises(Tap2keyError, match="readable"):
        load_difficulty(tmp_path / "none.yaml")


def test_the_shipped_difficulty_is_the_one_that_was_agreed():
    shipped = load_difficulty()
    assert shipped["typist"]["aim_sd_mm"] == 4.0
    assert shipped["sensor"]["reading_sd_mm"] == 1.0
    assert shipped["microphones"]["placement_sd_mm"] == 3.0
    assert shipped["microphones"]["gain_sd_db"] == 1.0
    assert shipped["plate"]["speed_range"] == [0.95, 1.05]
    assert shipped["noise"]["snr_db"] == [15, 45]
    assert (shipped["sensor"]["missed"], shipped["sensor"]["phantom"]) == (0.02, 0.01)
    assert shipped["rhythm"]["close_share"] == 0.25


def test_the_hard_setting_deals_tables_rooms_and_microphones_evenly():
    sessions = plan_study({"difficulty": "hard", "participants": 10, "sessions": 3})
    dealt = [(s.material, s.room, s.microphone_set) for s in sessions]
    counts = [Counter(values) for values in zip(*dealt, strict=True)]
    assert [len(count) for count in counts] == [3, 2, 5]
    assert all(max(count.values()) - min(count.values()) <= 2 for count in counts)
    for one, other in combinations(range(3), 2):
        met = {(d[one], d[other]) for d in dealt}
        assert len(met) == len(counts[one]) * len(counts[other])
    for person in range(10):
        own = [d for s, d in zip(sessions, dealt, strict=True) if s.participant_index == person]
        assert [len(set(values)) for values in zip(*own, strict=True)] == [3, 2, 3]


def test_without_difficulty_all_sessions_share_room_and_microphones():
    for session in plan_study({"participants": 4, "sessions": 3}):
        assert dict(session.groups) == {
            "table": session.material,
            "room": "office",
            "microphones": "set-1",
        }


def test_the_hard_setting_changes_microphones_tables_and_rooms_and_nothing_else():
    standard, hard = load_difficulty(), load_difficulty("hard")
    assert {key for key in standard if hard[key] != standard[key]} == {
        "microphones",
        "tables",
        "rooms",
    }
    assert hard["microphones"]["set_sd_mm"] >= 10
    assert hard["microphones"]["x_mm"] == standard["microphones"]["x_mm"]
    tables = [of_session(hard, table, "hall")["table"] for table in MATERIALS]
    for number in ("width_mm", "thickness", "edge_reflection"):
        assert len({table[number] for table in tables}) == 3
    office, hall = (of_session(hard, "glass", room) for room in ("office", "hall"))
    assert office["table"] == hall["table"] != standard["table"]
    for section in ("noise", "reverberation"):
        assert office[section] != hall[section]
    assert of_session(standard, "mdf", "office") == standard


@pytest.mark.parametrize(
    ("replace", "by", "says"),
    [
        ("rooms: {office: {}}", "rooms: {}", "at least one room"),
        ("rooms: {office: {}}", "rooms: {office: }", "office must be a section"),
        ("rooms: {office: {}}", "rooms: {office: {noise: {snr: 1}}}", "office: noise: unknown key"),
        ("rooms: {office: {}}", "rooms: {office: {nois: {}}}", "office: unknown key nois"),
        ("rooms: {office: {}}", "rooms: {office: {noise: 3}}", "office: noise: must be a section"),
        ("glass: {}}", "glass: {}, steel: {}}", "tables: unknown key steel"),
        ("glass: {}}", "glass: {table: {width_mm: wide}}}", "width_mm: must be a number"),
        (", glass: {}}", "}", "tables: glass is missing"),
        ("rooms: {office: {}}", "rooms: {1: {}}", "rooms: write the name 1 in quotes"),
        ("sets: 1 ", "sets: 1.5 ", "sets is 1.5; give a whole number"),
        ("sets: 1 ", "sets: 0 ", "sets is 0; give a whole number"),
    ],
)
def test_a_wrong_table_room_or_set_is_refused_in_one_line(tmp_path, replace, by, says):
    path = tmp_path / "difficulty.yaml"
    path.write_text(DIFFICULTY.read_text().replace(replace, by))
    with pytest.raises(Tap2keyError, match=says) as error:
        plan_study({"difficulty": str(path)})
    assert "\n" not in str(error.value)
