"""The same person, session or sound under two names: refused before any of it can be split."""

import os
import shutil
import struct
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made import scan_study, session

from tap2key.__main__ import main
from tap2key.audio.quick_header import read_header
from tap2key.config.configuration import complete_config
from tap2key.core.errors import Tap2keyError
from tap2key.orchestration.recording_sources import survey
from tap2key.study.scan import recordings_in

SESSION_PATTERN = complete_config({"experiments": {"any": {}}})["session_pattern"]
RATE = 8000
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))


def sound(path, seconds=1.0, seed=0, **kind):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * RATE), 8))
    soundfile.write(path, noise, RATE, **({"subtype": "PCM_16"} | kind))
    return path


def touched(folder, text="2023-01-27 13:05:22.123456,1,   Down,1000,1000,55\n"):
    (folder / "02.neonode").mkdir(parents=True, exist_ok=True)
    (folder / "02.neonode" / "a_nnode.csv").write_text(text)


def recorded(study, folder, starts=("13.05.22.123_01_27_2023",), seed=0, **kind):
    """A session whose recordings, and whose touch log, are like no other of another seed."""
    path = study / folder
    for number, start in enumerate(starts):
        sound(path / "01.acoustic" / f"{start}.wav", seed=1000 * seed + number, **kind)
    touched(path, f"2023-01-27 13:05:22.{seed:06},1,   Down,1000,1000,55\n")
    return path


def refused(study, *words):
    with pytest.raises(Tap2keyError) as error:
        scan_study(study, SESSION_PATTERN)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_name_is_one_name_in_either_unicode_form(tmp_path):
    session(tmp_path, f"{COMPOSED}/one")
    session(tmp_path, f"{DECOMPOSED}/two")
    found = scan_study(tmp_path, SESSION_PATTERN)
    assert [(r.participant, r.session) for r in found] == [(COMPOSED, "one"), (COMPOSED, "two")]
    # The disk's own spelling is what opens the file.
    assert all(r.path.exists() for r in found)
    assert found[1].path.is_relative_to(tmp_path / DECOMPOSED)


def test_sessions_and_recordings_are_one_name_in_either_unicode_form(tmp_path):
    session(tmp_path, f"Tony/{COMPOSED}")
    session(tmp_path, f"Tony/{DECOMPOSED}")
    refused(tmp_path, f"Tony/{COMPOSED}", f"Tony/{DECOMPOSED}", "are both participant 'Tony'")
    names = [f"{name}_13.05.22.123_01_27_2023.wav" for name in (COMPOSED, DECOMPOSED)]
    session(tmp_path / "other", "Tony/one", recordings=names)
    refused(tmp_path / "other", "are both recording", *names)


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ("Tony/one", "tony/two", "participants 'Tony' and 'tony'"),
        ("Tony/one", "Tony /two", "participants 'Tony' and 'Tony '"),
        ("Ann Lee/one", "Ann  Lee/two", "participants"),
        ("STRAẞE/one", "Strasse/two", "participants"),
        ("ZOË/one", f"{unicodedata.normalize('NFD', 'Zoë')}/two", "participants 'ZOË' and 'Zoë'"),
        ("Tony/one", "Tony\u200b/two", "participants"),
        ("Tony/Day 1", "Tony/day 1", "sessions 'Day 1' and 'day 1'"),
    ],
)
def test_names_that_differ_only_in_case_or_spaces_are_refused(tmp_path, first, second, kind):
    session(tmp_path, first)
    session(tmp_path, second)
    refused(tmp_path, kind, first, second, "differ only in case or spaces")


def test_a_table_can_say_that_two_spellings_are_one_person(tmp_path):
    session(tmp_path, "Tony/one")
    session(tmp_path, "tony/two")
    (tmp_path / "study.tsv").write_text("path\tparticipant\ntony/two\tTony\n")
    assert {r.participant for r in scan_study(tmp_path, SESSION_PATTERN)} == {"Tony"}


@pytest.mark.parametrize(
    "second", ["x_13.05.22.123_01_27_2023.WAV", "x_13.05.22.123_01_27_2023.flac"]
)
def test_two_recordings_of_one_stem_are_refused_in_a_study_and_by_hand(tmp_path, second):
    names = ("x_13.05.22.123_01_27_2023.wav", second)
    folder = session(tmp_path, "Tony/one", recordings=names)
    refused(tmp_path, *names)
    with pytest.raises(Tap2keyError, match="are both recording"):
        recordings_in(folder)


def copied(study):
    shutil.copytree(study / "Tony", study / "Bob")


def linked(study):
    (study / "Bob").symlink_to(study / "Tony")


def recording_linked(study):
    wav = next((study / "Tony/one/01.acoustic").iterdir())
    (study / "Bob/one/01.acoustic").mkdir(parents=True)
    (study / "Bob/one/01.acoustic" / wav.name).symlink_to(wav)
    touched(study / "Bob/one", "other\n")


def hard_linked(study):
    wav = next((study / "Tony/one/01.acoustic").iterdir())
    os.link(wav, wav.with_name("09.00.00.0_01_28_2023.wav"))


def copied_under_another_name(study):
    wav = next((study / "Tony/one/01.acoustic").iterdir())
    shutil.copy(wav, wav.with_name(f"Copy of {wav.name}"))


def copied_to_another_start(study):
    """Two people, two days, two touch logs; only the sound is the same."""
    (wav,) = (study / "Tony/one/01.acoustic").iterdir()
    (study / "Bob/one/01.acoustic").mkdir(parents=True)
    shutil.copy(wav, study / "Bob/one/01.acoustic/09.00.00.0_02_28_2023.wav")
    touched(study / "Bob/one", "other\n")


def labelled_anew(study):
    """An editor wrote its name before the sound, so the files are of different sizes."""
    copied_to_another_start(study)
    path = study / "Bob/one/01.acoustic/09.00.00.0_02_28_2023.wav"
    data = path.read_bytes()
    chunk = (
        b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf58.29.100\0"
    )
    path.write_bytes(data[:12] + chunk + data[12:])


@pytest.mark.parametrize(
    "spoil",
    [
        copied,
        linked,
        recording_linked,
        hard_linked,
        copied_under_another_name,
        copied_to_another_start,
        labelled_anew,
    ],
)
def test_one_sound_under_two_names_is_refused(tmp_path, spoil):
    recorded(tmp_path, "Tony/one", seed=1)
    recorded(tmp_path, "Maria/one", seed=2)
    assert len(scan_study(tmp_path, SESSION_PATTERN)) == 2
    spoil(tmp_path)
    refused(tmp_path, "use = no in study.tsv", "13.05.22.123_01_27_2023.wav")


def test_a_copy_in_another_root_is_refused(tmp_path):
    recorded(tmp_path / "first", "Tony/one", seed=1)
    recorded(tmp_path / "second", "Maria/one", seed=2)
    roots = [str(tmp_path / "first"), str(tmp_path / "second")]
    config = complete_config({"experiments": {"any": {}}, "study": roots})
    assert len(survey(config).recordings) == 2
    shutil.copytree(tmp_path / "first" / "Tony", tmp_path / "second" / "Bob")
    with pytest.raises(Tap2keyError, match="hold the same sound"):
        survey(config)


def test_a_copy_that_is_left_out_is_no_copy(tmp_path):
    recorded(tmp_path, "Tony/one", seed=1)
    copied(tmp_path)
    (tmp_path / "study.tsv").write_text("path\tuse\nBob/one\tno\n")
    assert [r.participant for r in scan_study(tmp_path, SESSION_PATTERN)] == ["Tony"]


def test_recordings_of_one_length_are_no_copies_though_most_of_them_is_alike(tmp_path):
    """All of a recorder's files may be of one length; here a single sample differs."""
    recorded(tmp_path, "Tony/one", seed=1)
    wav = next((tmp_path / "Tony/one/01.acoustic").iterdir())
    other = tmp_path / "Maria/one/01.acoustic" / wav.name
    other.parent.mkdir(parents=True)
    data = bytearray(wav.read_bytes())
    data[len(data) // 3] ^= 1
    other.write_bytes(data)
    touched(other.parents[1], "other\n")
    assert len(scan_study(tmp_path, SESSION_PATTERN)) == 2


def test_what_holds_no_sound_is_no_copy(tmp_path):
    """Empty files, headers without samples, and files of zeros: all left out later, by name."""
    contents = [b"", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + bytes(16) + b"data\0\0\0\0"]
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros((RATE, 8)), RATE, "PCM_16")
    for number, content in enumerate([*contents, silence.read_bytes()]):
        study = tmp_path / str(number)
        for folder in ("Tony/one", "Maria/one"):
            made = session(study, folder)
            next((made / "01.acoustic").iterdir()).write_bytes(content)
        assert len(scan_study(study, SESSION_PATTERN)) == 2


@pytest.mark.parametrize("kind", [{}, {"format": "FLAC"}, {"format": "W64"}, {"format": "RF64"}])
def test_recordings_of_one_person_that_overlap_are_refused(tmp_path, kind):
    def made(study, second, person="Tony"):
        ending = {"FLAC": "flac", "W64": "w64"}.get(kind.get("format"), "wav")
        first = f"13.05.22.0_01_27_2023.{ending}"
        sound(study / "Tony/one/01.acoustic" / first, 10, 1, **kind)
        sound(study / person / "two/01.acoustic" / f"{second}_01_27_2023.{ending}", 10, 2, **kind)
        touched(study / "Tony/one", "one\n")
        touched(study / person / "two", "two\n")
        return study

    refused(made(tmp_path / "a", "13.05.27.0"), "begins at 13:05:27", "of Tony", "runs until")
    refused(made(tmp_path / "b", "13.05.22.0"), "of Tony runs until 2023-01-27 13:05:32")
    # The sound card starts late, so that one may seem to begin before the other has ended.
    assert len(scan_study(made(tmp_path / "c", "13.05.30.5"), SESSION_PATTERN)) == 2
    assert len(scan_study(made(tmp_path / "d", "13.05.27.0", "Maria"), SESSION_PATTERN)) == 2


def test_a_start_in_the_table_makes_or_mends_an_overlap(tmp_path):
    starts = ("13.05.22.0_01_27_2023", "13.05.22.25_01_27_2023")
    recorded(tmp_path, "Tony/one", starts)
    refused(tmp_path, "of Tony runs until")
    table = f"path\tstart\nTony/one/01.acoustic/{starts[1]}.wav\t2023-01-27 13:05:2%d\n"
    (tmp_path / "study.tsv").write_text(table % 9)
    assert len(scan_study(tmp_path, SESSION_PATTERN)) == 2
    (tmp_path / "study.tsv").write_text(table % 2)
    refused(tmp_path, "of Tony runs until")


def test_a_session_copied_and_saved_in_another_format_is_known_by_its_touch_log(tmp_path):
    tony = recorded(tmp_path, "Tony/one", seed=1)
    bob = tmp_path / "Bob" / "one"
    shutil.copytree(tony, bob)
    (wav,) = (bob / "01.acoustic").iterdir()
    samples, rate = soundfile.read(wav)
    soundfile.write(wav, samples, rate, "PCM_24")
    refused(tmp_path, "Bob/one", "Tony/one", "with the same touch log")
    # One log of a whole day may serve several sessions, if they were one after another.
    wav.rename(wav.with_name("15.05.22.123_01_27_2023.wav"))
    assert len(scan_study(tmp_path, SESSION_PATTERN)) == 2


def test_a_link_to_nothing_is_named(tmp_path):
    folder = session(tmp_path, "Tony/one")
    (wav,) = (folder / "01.acoustic").iterdir()
    wav.unlink()
    wav.symlink_to(tmp_path / "unplugged" / wav.name)
    refused(tmp_path, str(wav), "a link to nothing")


def test_linked_folders_that_lead_back_end(tmp_path):
    session(tmp_path, "Tony/one")
    (tmp_path / "Tony" / "up").symlink_to(tmp_path)
    (tmp_path / "Tony/one/again").symlink_to(tmp_path / "Tony" / "one")
    assert len(scan_study(tmp_path, SESSION_PATTERN)) == 1


def test_a_session_by_hand_is_segmented_only_without_copies(tmp_path, capsys):
    folder = recorded(tmp_path, "Tony/one", seed=1)
    copied_under_another_name(tmp_path)
    assert main(["segment", "--dir", str(folder), "--output", str(tmp_path / "out")]) == 1
    assert "hold the same sound" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "FLAC"])
def test_durations_are_those_that_a_library_reads(tmp_path, kind, subtype):
    if not soundfile.check_format(kind, subtype):
        return
    path = sound(tmp_path / "x", 1.25, subtype=subtype, format=kind)
    assert read_header(path).seconds == soundfile.info(path).frames / RATE == 1.25


@pytest.mark.parametrize(
    ("kind", "endian"), [("WAV", "BIG"), ("WAV", "LITTLE"), ("W64", "FILE"), ("FLAC", "FILE")]
)
@pytest.mark.parametrize(("channels", "rate"), [(1, 16_000), (6, 44_100), (8, 192_000)])
def test_arrays_are_those_that_a_library_reads(tmp_path, kind, endian, channels, rate):
    soundfile.write(tmp_path / "x", np.zeros((100, channels)), rate, "PCM_16", endian, kind)
    header, about = read_header(tmp_path / "x"), soundfile.info(tmp_path / "x")
    assert (header.channels, header.sample_rate) == (about.channels, about.samplerate)
    assert (header.channels, header.sample_rate) == (channels, rate)


def test_a_duration_does_not_trust_a_size_that_was_never_filled_in(tmp_path):
    path = sound(tmp_path / "x.wav", 1.25)
    whole = path.read_bytes()
    at = whole.index(b"data") + 4
    for size in (0, 0xFFFFFFFF):
        path.write_bytes(whole[:at] + struct.pack("<I", size) + whole[at + 4 :])
        assert read_header(path).seconds == 1.25


@pytest.mark.parametrize("content", [b"", b"RIFF", b"fLaC", b"RIFF0000WAVE", b"text" * 100])
def test_what_is_no_sound_has_no_header(tmp_path, content):
    (tmp_path / "x.wav").write_bytes(content)
    assert read_header(tmp_path / "x.wav") is None
    assert read_header(Path(tmp_path / "absent.wav")) is None
