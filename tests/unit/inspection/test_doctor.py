"""The doctor's word on folders of every kind, and whether a run takes it."""

import subprocess
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml
from made import command, error_line, stage, without_roots_privilege
from sounds import make_session, write_wav

from tap2key.config.configuration import complete_config, read_config
from tap2key.core.errors import Tap2keyError
from tap2key.orchestration.planning import plan_of
from tap2key.orchestration.recording_sources import survey
from tap2key.study.event_table import read_event_table
from tap2key.study.truth import Truth

SECONDS = 8
TIMES = (0.5, 1.1, 2.0, 3.3, 4.1, 5.2, 6.6, 7.4)
KEYS = "hello198"


def sound(path: Path, channels: int = 1, rate: int = 44_100, seconds: float = SECONDS) -> Path:
    """A recording unlike every other."""
    seed = zlib.crc32(path.name.encode())
    noise = np.random.default_rng(seed).normal(size=(round(seconds * rate), channels))
    return write_wav(path, 0.01 * noise, rate)


def keys_file(path: Path, keys: str = KEYS) -> None:
    path.write_text("".join(f"{t} {key}\n" for t, key in zip(TIMES, keys, strict=True)))


def doctor(capsys: pytest.CaptureFixture, *arguments: object) -> tuple[str, dict]:
    """What is printed, and the lines of configuration in it."""
    stage("doctor", *arguments)
    said = capsys.readouterr().out
    return said, yaml.safe_load(said)


def run_of(tmp_path: Path, suggestion: Mapping) -> tuple[dict, list]:
    """The configuration and the recordings of a run with the suggested lines alone."""
    file = tmp_path / "my-study.yaml"
    file.write_text(yaml.safe_dump(dict(suggestion)), encoding="utf-8")
    config = complete_config(read_config([file]))
    recordings = survey(config).recordings
    plan_of(config, recordings)
    return config, recordings


def test_of_the_first_studys_rig_its_place_and_what_a_cpu_trains_are_suggested(tmp_path, capsys):
    for number, person in enumerate(("Tony", "Maria")):
        make_session(tmp_path / "study" / f"{person}_01_27_23_data", count=10, seed=number)
    said, lines = doctor(capsys, tmp_path / "study")
    assert lines == {
        "study": str(tmp_path / "study"),
        "select_experiments": ["pairs-waves-48000", "gcc-phat-forest", "level-forest"],
    }
    assert "# nothing odd" in said
    assert "2 × 8 channel(s) at 96000 Hz" in said
    assert "people      2: Maria, Tony" in said
    _, recordings = run_of(tmp_path, lines)
    assert len(recordings) == 2


@pytest.mark.parametrize("channels", [1, 8])
def test_what_needs_a_gpu_is_suggested_only_with_one(tmp_path, capsys, channels):
    for person in ("Ana", "Bo"):
        path = sound(tmp_path / "study" / person / f"{person}.wav", channels, 96_000)
        keys_file(path.with_suffix(".keys"))
    own = {"own": {"inherit": "wav2vec2-base"}, "small": {"inherit": "tiny"}}
    own |= {"tiny": {"inherit": "wav2vec2-base", "model": {"checkpoint": None}}}
    selected = {}
    for gpu in (False, True):
        file = tmp_path / "own.yaml"
        file.write_text(yaml.safe_dump({"launch": {"gpu": gpu}, "experiments": own}))
        _, lines = doctor(capsys, tmp_path / "study", "--configfile", file)
        selected[gpu] = lines.get("select_experiments")
    if channels == 8:
        shipped = ["pairs-waves-48000", "gcc-phat-forest", "level-forest"]
        assert selected == {False: [*shipped, "small", "tiny"], True: None}
    else:
        forest = "mfcc-forest-96000"
        assert selected == {
            False: ["small", "tiny", forest],
            True: ["wav2vec2-base", "own", "small", "tiny", forest],
        }


def test_touches_are_the_taps_that_are_expected(tmp_path, capsys):
    make_session(tmp_path / "study" / "Tony" / "01", count=10)
    log = next((tmp_path / "study").rglob("*nnode.csv")).read_text()
    assert f"taps        {log.count('Down')} expected" in doctor(capsys, tmp_path / "study")[0]


@pytest.mark.parametrize("channels", [1, 6])
def test_another_array_is_suggested_with_experiments_that_it_allows(tmp_path, capsys, channels):
    for person in ("P1", "P2"):
        for session in ("a", "b"):
            folder = tmp_path / "study" / person / session
            sound(folder / f"{person}{session}.wav", channels)
            keys_file(folder / f"{person}{session}.keys")
    said, lines = doctor(capsys, tmp_path / "study")
    assert "# nothing odd" in said
    assert lines["array"] == {"channels": channels, "sample_rate": 44_100}
    config, recordings = run_of(tmp_path, lines)
    assert {r.participant for r in recordings} == {"P1", "P2"}
    assert {r.session for r in recordings} == {"a", "b"}
    kinds = {config["experiments"][name]["kind"] for name in config["select_experiments"]}
    assert ("gcc_phat_forest" in kinds) == (channels == 6)


def test_a_wide_array_is_suggested_experiments_that_keep_what_arrives_last(tmp_path, capsys):
    for person in ("P1", "P2"):
        folder = tmp_path / "study" / person
        keys_file(sound(folder / f"{person}.wav", 6).with_suffix(".keys"))
    file = tmp_path / "wide.yaml"
    file.write_text("array: {max_delay_ms: 6}\n", encoding="utf-8")
    _, lines = doctor(capsys, tmp_path / "study", "--configfile", file)
    kept = {
        name: (own["inherit"], own["encoding"]["crop_ms"])
        for name, own in lines["experiments"].items()
    }
    assert kept == {
        "pairs-waves-48000-wide": ("pairs-waves-48000", [2, 12]),
        "gcc-phat-forest-44100-wide": ("gcc-phat-forest", [2, 12]),
    }
    assert lines["select_experiments"] == list(kept)
    lines["array"] |= {"max_delay_ms": 6}
    config, _ = run_of(tmp_path, lines)
    assert set(kept) <= set(config["experiments"])


def test_keys_beside_recordings_of_one_person(tmp_path, capsys):
    study = tmp_path / "Ana's Öfen [2]"
    for name in ("one", "two words"):
        keys_file(sound(study / f"{name}.wav").with_suffix(".keys"))
    said, lines = doctor(capsys, study)
    assert "taps        16 expected" in said
    assert lines["truth"]["source"] == "events"
    assert lines["keyboard"] == "ansi"
    assert lines["experiment_defaults"] == {"split": "chronological"}
    _, recordings = run_of(tmp_path, lines)
    assert {(r.participant, r.path.name) for r in recordings} == {
        ("Ana's Öfen [2]", "one.wav"),
        ("Ana's Öfen [2]", "two words.wav"),
    }


def test_folders_named_by_key_or_content_are_nobody(tmp_path, capsys):
    for folder in ("letters/h", "letters/e", "digits/1"):
        for number in (1, 2):
            path = sound(tmp_path / "Laptop" / folder / f"{folder[-1]}{number}.wav")
            keys_file(path.with_suffix(".keys"), folder[-1] * len(TIMES))
    _, lines = doctor(capsys, tmp_path / "Laptop")
    config, recordings = run_of(tmp_path, lines)
    assert {r.participant for r in recordings} == {"Laptop"}
    assert len(recordings) == 6
    assert config["experiment_defaults"]["split"] == "random"


def test_tables_elsewhere_of_other_columns_in_milliseconds(tmp_path, capsys):
    for person in ("Bo", "Ana"):
        sound(tmp_path / "study" / person / "audio" / f"{person}.wav", 2)
        table = tmp_path / "study" / person / "labels" / f"{person}.csv"
        table.parent.mkdir()
        rows = [f"{n},{t * 1000:.0f},{k}" for n, (t, k) in enumerate(zip(TIMES, KEYS, strict=True))]
        table.write_text("\n".join(["number,time_ms,letter", *rows]) + "\n")
    said, lines = doctor(capsys, tmp_path / "study")
    assert "times look like milliseconds" in said
    assert lines["truth"]["files"] == "../labels/{recording}.csv"
    config, recordings = run_of(tmp_path, lines)
    truth = Truth(unit=config["truth"]["unit"], columns=config["truth"]["columns"])
    for r in recordings:
        events = read_event_table(r.touch_files, r.start, r.path, truth)
        assert events.seconds_since(r.start) == pytest.approx(TIMES)
        assert events.label == tuple(KEYS)
    assert [r.participant for r in recordings] == ["Ana", "Bo"]


def test_microseconds_of_a_long_recording_are_no_times_since_1970(tmp_path, capsys):
    path = sound(tmp_path / "study" / "Ana" / "long.wav", rate=400, seconds=1500)
    times = np.linspace(100, 1400, len(KEYS))
    rows = [f"{1e6 * time:.0f},{key}" for time, key in zip(times, KEYS, strict=True)]
    path.with_suffix(".csv").write_text("\n".join(["time,key", *rows]) + "\n")
    said, lines = doctor(capsys, tmp_path / "study")
    assert "times look like microseconds" in said
    assert lines["truth"]["unit"] == "us"
    assert "no event table" not in said and "lie outside" not in said


def test_one_table_of_several_recordings(tmp_path, capsys):
    rows = ["file;onset;key"]
    for name in ("x1", "13.05.22.123_01_27_2023"):
        sound(tmp_path / "study" / "Ana" / f"{name}.wav", 2)
        rows += [f"Ana/{name};{t};{k}" for t, k in zip(TIMES, KEYS, strict=True)]
    (tmp_path / "study" / "Ana" / "events.csv").write_text("\n".join(rows))
    said, lines = doctor(capsys, tmp_path / "study")
    assert "taps        16 expected" in said
    assert lines["truth"]["files"] == "events.csv"
    assert lines["truth"]["columns"] == {"time": "onset", "recording": "file"}
    assert len(run_of(tmp_path, lines)[1]) == 2


@pytest.mark.parametrize("by", ["table", "folders"])
def test_clips_are_recognised_by_a_table_or_their_folders(tmp_path, capsys, by):
    keys = ["a", ",", "Key.space", "M"] * 5 if by == "table" else ["a", "b", "c", "d"] * 5
    for number, key in enumerate(keys, 1):
        folder = tmp_path / "study" / "Ana" / (key if by == "folders" else "")
        sound(folder / f"key{number:04d}.wav", 6, seconds=0.1)
    if by == "table":
        lines = [f"{number:04d} {key}" for number, key in enumerate(keys, 1)]
        (tmp_path / "study" / "Ana" / "truth.txt").write_text("\n".join(lines))
    said, lines = doctor(capsys, tmp_path / "study")
    assert "clips already cut" in said
    assert "20 of 20 labelled" in said
    assert "taps        20 expected" in said
    assert "not on" not in said
    assert lines["array"] == {"channels": 6, "sample_rate": 44_100}
    _, recordings = run_of(tmp_path, lines)
    assert [(r.participant, r.truth) for r in recordings] == [("Ana", "clips")]
    assert "# nothing odd" in said


def test_what_is_odd_is_listed_with_its_reason_and_stops_nothing(tmp_path, capsys):
    study = tmp_path / "study"
    for name in ("a", "b", "c"):
        keys_file(sound(study / "Ana" / f"{name}.wav", 2).with_suffix(".keys"))
    keys_file(sound(study / "Ana" / "mono.wav", 1).with_suffix(".keys"))
    keys_file(sound(study / "Ana" / "slow.wav", 2, 22_050).with_suffix(".keys"))
    sound(study / "Ana" / "alone.wav", 2)
    (study / "Ana" / "broken.wav").write_bytes(b"RIFFnothing of the kind")
    (study / "Ana" / "empty.wav").touch()
    (study / "Ana" / "phone.mp3").write_bytes(b"ID3")
    keys_file(study / "Ana" / "b.keys", "hell\N{SNOWMAN}198")
    (study / "Ana" / "c.keys").write_text("no time at all\n")
    (study / "Ana" / "gone.wav").symlink_to(study / "nowhere.wav")
    (study / "round").symlink_to(study)
    said, lines = doctor(capsys, study)
    for line in (
        "Ana/mono.wav: 1 channel(s), most have 2; it will be left out unless the column array of",
        "Ana: recordings of several arrays (array, channels-1) in one session",
        "Ana/slow.wav: 22050 Hz, most have 44100; it will be resampled",
        "Ana/alone.wav: no source of truth: neither touch log, event table nor label",
        "Ana/broken.wav: its header is none of a wav, w64 or FLAC file",
        "Ana/empty.wav: empty",
        "Ana/phone.mp3: sound in a format that is not read",
        "Ana/c.keys: no event table: line 1: time 'no'",
        "Ana/gone.wav: a link to nothing",
        "1 × \N{SNOWMAN}; map them in characters",
    ):
        assert f"#   {line}" in said or line in said, line
    assert lines["array"]["channels"] == 2
    # Not once more through the link.
    assert "recordings  4," in said


def test_characters_of_keys_that_are_not_there_are_odd(tmp_path, capsys):
    keys_file(
        sound(tmp_path / "study" / "Ana" / "a.wav").with_suffix(".keys"), "hell\N{SNOWMAN}198"
    )
    for key, unknown in (("o", False), ("nosuchkey", True)):
        (tmp_path / "my.yaml").write_text(
            yaml.safe_dump({"characters": {"\N{SNOWMAN}": key}}, allow_unicode=True),
            encoding="utf-8",
        )
        said, _ = doctor(capsys, tmp_path / "study", "--configfile", tmp_path / "my.yaml")
        odd = "a run would stop: config: characters: '\N{SNOWMAN}' is mapped to 'nosuchkey', which"
        assert (odd in said) == unknown
        assert ("1 × \N{SNOWMAN}; map them in characters" in said) == unknown


def test_events_outside_their_recording_are_odd(tmp_path, capsys):
    keys_file(sound(tmp_path / "study" / "Ana" / "a.wav", seconds=3).with_suffix(".keys"))
    keys_file(sound(tmp_path / "study" / "Ana" / "b.wav").with_suffix(".keys"))
    said, _ = doctor(capsys, tmp_path / "study")
    assert "Ana/a.wav: 3 of 8 events lie outside the recording" in said


def test_a_touch_log_and_event_tables_are_two_sources(tmp_path, capsys):
    make_session(tmp_path / "study" / "Tony" / "01", count=10)
    path = next((tmp_path / "study").rglob("*.wav"))
    keys_file(path.with_suffix(".keys"))
    said, lines = doctor(capsys, tmp_path / "study")
    assert f"{path.name}: two sources of truth, a touch log and an event table; state w" in said
    assert "truth" not in lines


def test_sessions_of_another_array_get_rows_of_the_table(tmp_path, capsys):
    """As printed they make a study of which either array runs."""
    for person in ("Ana", "Bo", "Cy"):
        for session, channels, rate in (("1", 6, 48_000), ("2", 2, 44_100)):
            if (person, session) != ("Cy", "2"):
                folder = tmp_path / "study" / person / session
                path = sound(folder / f"{person}{session}.wav", channels, rate)
                keys_file(path.with_suffix(".keys"))
    said, lines = doctor(capsys, tmp_path / "study")
    assert lines["array"] == {"channels": 6, "sample_rate": 48_000}
    assert lines["arrays"] == {"channels-2": {"channels": 2, "sample_rate": 44_100}}
    assert lines["select_arrays"] == ["array"]
    assert "a run would stop" not in said
    assert "2 channel(s), most have 6; it will be left out unless the column array" in said
    table = [line.removeprefix("# ") for line in said.splitlines() if "\t" in line]
    assert table == ["path\tarray\ttruth", "Ana/2\tchannels-2", "Bo/2\tchannels-2"]
    (tmp_path / "study" / "study.tsv").write_text("\n".join(table) + "\n")
    _, recordings = run_of(tmp_path, lines)
    assert {(r.participant, r.session) for r in recordings} == {
        (p, "1") for p in ("Ana", "Bo", "Cy")
    }
    _, recordings = run_of(tmp_path, {**lines, "select_arrays": ["channels-2"]})
    assert {(r.participant, r.session) for r in recordings} == {("Ana", "2"), ("Bo", "2")}
    said, _ = doctor(capsys, tmp_path / "study")
    assert "study.tsv in" not in said


def test_sessions_of_another_truth_get_rows_of_the_table(tmp_path, capsys):
    make_session(tmp_path / "study" / "Tony" / "01", count=10)
    make_session(tmp_path / "study" / "Maria" / "01", count=10, seed=1)
    path = sound(tmp_path / "study" / "Ana" / "01" / "a.wav", 8, 96_000)
    keys_file(path.with_suffix(".keys"))
    said, lines = doctor(capsys, tmp_path / "study")
    assert (
        "a.wav: has an event table, unlike most; state it in the column truth of study.tsv" in said
    )
    table = [line.removeprefix("# ") for line in said.splitlines() if "\t" in line]
    assert table == ["path\tarray\ttruth", "Ana/01\t\tevents"]
    assert "people      3: Ana, Maria, Tony" in said
    assert "recordings  3," in said
    assert "arrays      3 × 8 channel(s) at 96000 Hz" in said
    touches = sum(log.read_text().count("Down") for log in (tmp_path / "study").rglob("*nnode.csv"))
    assert f"taps        {touches + len(TIMES)} expected" in said
    (tmp_path / "study" / "study.tsv").write_text("\n".join(table) + "\n")
    _, recordings = run_of(tmp_path, lines)
    assert {r.participant: r.truth for r in recordings}["Ana"] == "events"


def test_recordings_of_another_truth_and_array_are_counted(tmp_path, capsys):
    for number in range(1, 21):
        sound(tmp_path / "study" / "Ana" / f"key{number:04d}.wav", 6, seconds=0.1)
    labels = [f"{number:04d} {'ab'[number % 2]}" for number in range(1, 21)]
    (tmp_path / "study" / "Ana" / "truth.txt").write_text("\n".join(labels))
    keys_file(sound(tmp_path / "study" / "Bo" / "x.wav").with_suffix(".keys"))
    said, lines = doctor(capsys, tmp_path / "study")
    assert "recordings  21," in said
    assert "arrays      20 × 6 channel(s) at 44100 Hz, 1 × 1 channel(s) at 44100 Hz" in said
    assert f"taps        {20 + len(TIMES)} expected" in said
    assert lines["array"] == {"channels": 6, "sample_rate": 44_100}
    assert lines["arrays"] == {"channels-1": {"channels": 1, "sample_rate": 44_100}}


def test_a_session_that_lacks_its_log_is_odd(tmp_path, capsys):
    make_session(tmp_path / "study" / "Tony" / "01", count=10)
    make_session(tmp_path / "study" / "Tony" / "02", count=10, seed=1)
    next((tmp_path / "study" / "Tony" / "02").rglob("*nnode.csv")).unlink()
    said, _ = doctor(capsys, tmp_path / "study")
    assert "Tony/02/02.neonode: no *nnode.csv file in it" in said
    assert "a run would stop" in said


def test_a_folder_of_numbered_people_is_not_one_person(tmp_path, capsys):
    for number in (364, 365):
        path = sound(tmp_path / "study" / f"user_{number}" / f"{number}.wav", 2)
        keys_file(path.with_suffix(".keys"))
    _, lines = doctor(capsys, tmp_path / "study")
    assert {r.participant for r in run_of(tmp_path, lines)[1]} == {"user_364", "user_365"}


def test_an_empty_folder_holds_nothing(tmp_path, capsys):
    (tmp_path / "study").mkdir()
    said, lines = doctor(capsys, tmp_path / "study")
    assert "recordings  0" in said
    assert "truth       none" in said
    assert "nothing odd" not in said
    assert f"{tmp_path / 'study'}: no recordings found: no .wav file (nor .w64 or .flac)" in said
    assert "a run would stop: " in said
    with pytest.raises(Tap2keyError, match="no session in it"):
        run_of(tmp_path, lines)


def test_recordings_without_any_truth_would_stop_a_run(tmp_path, capsys):
    sound(tmp_path / "study" / "Ana" / "a.wav")
    said, lines = doctor(capsys, tmp_path / "study")
    assert "recordings  1" in said
    assert "a.wav: no source of truth" in said
    assert "no recordings found" not in said
    assert "a run would stop: " in said
    with pytest.raises(Tap2keyError, match="no session in it"):
        run_of(tmp_path, lines)


def test_no_folder_is_one_line(tmp_path, capsys):
    assert "no such folder" in error_line(capsys, "doctor", tmp_path / "study")


def test_the_lines_are_written_where_asked_and_nothing_else_is(tmp_path, capsys):
    keys_file(sound(tmp_path / "study" / "Ana" / "a.wav").with_suffix(".keys"))
    before = sorted(tmp_path.rglob("*"))
    doctor(capsys, tmp_path / "study")
    assert sorted(tmp_path.rglob("*")) == before
    _, lines = doctor(capsys, tmp_path / "study", "--output", tmp_path / "my.yaml")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "my.yaml"])
    assert yaml.safe_load((tmp_path / "my.yaml").read_text(encoding="utf-8")) == lines


def test_what_is_configured_is_not_suggested_again(tmp_path, capsys):
    keys_file(sound(tmp_path / "study" / "Ana" / "a.wav").with_suffix(".keys"))
    stage("doctor", tmp_path / "study", "--output", tmp_path / "my.yaml")
    capsys.readouterr()
    said, lines = doctor(capsys, tmp_path / "study", "--configfile", tmp_path / "my.yaml")
    assert lines == {}
    assert "# nothing to add to the configuration" in said
    assert "start with these lines" not in said
    assert "# nothing odd" in said
    other = tmp_path / "other.yaml"
    configured = yaml.safe_load((tmp_path / "my.yaml").read_text(encoding="utf-8"))
    for study in (str(tmp_path / "elsewhere"), [str(tmp_path / "study"), str(tmp_path / "more")]):
        other.write_text(yaml.safe_dump({**configured, "study": study}), encoding="utf-8")
        said, lines = doctor(capsys, tmp_path / "study", "--configfile", other)
        assert lines == {"study": str(tmp_path / "study")}
        assert "# start with these lines:" in said


def test_the_study_is_suggested_where_no_file_is_given(tmp_path, capsys, monkeypatch):
    """Though it stands where the shipped configuration looks."""
    for number, person in enumerate(("Tony", "Maria")):
        make_session(tmp_path / "study" / f"{person}_01_27_23", count=10, seed=number)
    monkeypatch.chdir(tmp_path)
    lines = doctor(capsys, "study")[1]
    assert lines.pop("study") == str(tmp_path / "study")
    (tmp_path / "my.yaml").write_text(yaml.safe_dump({"study": "study", **lines}))
    assert doctor(capsys, "study", "--configfile", "my.yaml")[1] == {}
    # As Snakemake takes it beside the other file.
    stage("doctor", "study", "--configfile", "my.yaml", "--output", "more.yaml")
    assert read_config([Path("my.yaml"), Path("more.yaml")])["study"] == "study"


def test_few_examples_stand_for_many_unless_all_are_asked_for(tmp_path, capsys):
    for number in range(9):
        (tmp_path / f"{number}.wav").touch()
    said, _ = doctor(capsys, tmp_path)
    assert said.count(".wav: empty") == 5
    assert "and 4 more such; --all lists them" in said
    assert doctor(capsys, tmp_path, "--all")[0].count(".wav: empty") == 9


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".keys", ".TextGrid", ".wav", ".flac"])
def test_files_of_anything_stop_nothing(tmp_path, capsys, ending):
    rng = np.random.default_rng(0)
    keys_file(sound(tmp_path / "study" / "Ana" / "sane.wav").with_suffix(".keys"))
    contents = [b"", b"\0" * 99, rng.bytes(999), b"\xff\xfea\0", "é,1".encode("latin-1"), b"1e99 a"]
    contents += [
        b"time,key\n",
        b"time,key\n1,\n",
        b"1,a,2,b,3\n",
        b'"' * 9999,
        b"fLaC" + b"\0" * 50,
    ]
    contents += [
        b"9999999999999 a",
        b"2023-13-45 00:00:00,a",
        b"RIFF\x24\0\0\0WAVEfmt ",
    ]
    for number, content in enumerate(contents):
        (tmp_path / "study" / "Ana" / f"{number}{ending}").write_bytes(content)
        if ending not in (".wav", ".flac"):
            sound(tmp_path / "study" / "Ana" / f"{number}.wav")
    said, lines = doctor(capsys, tmp_path / "study", "--all")
    assert lines["truth"]["source"] == "events"
    for number in range(len(contents)):
        assert f"#   Ana/{number}." in said


def test_a_table_with_further_columns_and_clock_times(tmp_path, capsys):
    path = sound(tmp_path / "study" / "Ana" / "rec.wav")
    rows = [f"2023-01-27 13:05:2{n}.5,{k},x" for n, k in enumerate(KEYS)]
    path.with_suffix(".csv").write_text("\n".join(["time,key,finger", *rows]))
    said, lines = doctor(capsys, tmp_path / "study")
    assert "event tables with clock times: 1 × .csv" in said
    assert "Ana/rec.wav: has clock times, and no start in its name" in said
    assert lines["truth"]["columns"] == {"time": "time"}


def test_a_folder_that_cannot_be_read_hides_no_other(tmp_path):
    make_session(tmp_path / "study" / "Tony" / "01", count=10)
    (tmp_path / "study" / "Tony" / "secret").mkdir(mode=0)
    run = subprocess.run(
        without_roots_privilege(*command("doctor", tmp_path / "study")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Tony/secret: not readable (Permission denied)" in run.stdout
    assert "touch sensor's logs of 1 session(s)" in run.stdout
