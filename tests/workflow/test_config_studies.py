"""The ready configurations of config/studies/ on tiny imitations of what they are for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made import stage
from running import ROOT, snakemake
from sounds import make_session, write_wav

from tap2key.config.configuration import complete_config, read_config
from tap2key.study.event_table import read_event_table
from tap2key.study.found_by_name import survey_by_name
from tap2key.study.truth import Truth

STUDIES = ROOT / "config" / "studies"
START = "2023-10-20_18-06-27"


def first_study(root: Path) -> None:
    for number, person in enumerate(("Tony", "Maria")):
        make_session(root / f"{person}_01_27_23_data", count=10, seed=number)


def put_kbd(root: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("letters/a", "letters/q", "digits/8"):
        for kind in ("train", "test"):
            path = root / "MateBook14" / folder / f"{kind}_{START}_{folder[-1]}.wav"
            write_wav(path, 0.01 * rng.normal(size=4 * 44_100), 44_100)
            times = np.arange(0.5, 3.5, 0.3)
            path.with_suffix(".keys").write_text(
                "".join(f"{time:.6f} {folder[-1]}\n" for time in times)
            )


def auditory_eyesight(root: Path) -> None:
    rng = np.random.default_rng(0)
    keys = ["a", "M", "Key.space", "!"] * 10
    for number in range(1, len(keys) + 1):
        clip = 0.01 * rng.normal(size=(4_410, 6))
        write_wav(root / f"key{number:04d}.wav", clip, 44_100, subtype="PCM_24")
    rows = [f"{number:04d} {key}\n" for number, key in enumerate(keys, 1)]
    (root / "keys_groundtruth.txt").write_text("".join(rows))


# By file: what makes an imitation, its sessions and its participants.
IMITATIONS: dict[str, tuple[Callable[[Path], None], int, int]] = {
    "auditory-eyesight": (auditory_eyesight, 1, 1),
    "first-study": (first_study, 2, 2),
    "put-kbd": (put_kbd, 2, 1),
}


def test_every_ready_configuration_has_an_imitation():
    assert {path.stem for path in STUDIES.glob("*.yaml")} == set(IMITATIONS)


@pytest.mark.parametrize("name", IMITATIONS)
def test_a_ready_configuration_runs_on_the_layout_that_it_is_for(tmp_path, name):
    make, sessions, people = IMITATIONS[name]
    make(tmp_path / "a study")
    arguments = ["-n", "--cores", "1", "--configfile", str(STUDIES / f"{name}.yaml")]
    run = snakemake(tmp_path, [*arguments, "--config", "study=a study", "results=results"])
    assert run.status == 0, run.text
    assert run.jobs["segment"] == sessions
    assert len({job["participant"] for job in run.planned["encode"]}) == people
    assert "not used" not in run.text


@pytest.mark.parametrize("name", IMITATIONS)
def test_the_doctor_has_nothing_to_add_to_a_ready_configuration(tmp_path, capsys, name):
    IMITATIONS[name][0](tmp_path / "a study")
    stage("doctor", tmp_path / "a study", "--configfile", STUDIES / f"{name}.yaml")
    said = capsys.readouterr().out
    assert "# nothing odd" in said
    assert [line for line in said.splitlines() if not line.startswith("#")] == [
        f"study: {tmp_path / 'a study'}"
    ]


def test_the_keys_of_put_kbd_are_read_beside_its_recordings(tmp_path):
    put_kbd(tmp_path)
    config = complete_config(read_config([STUDIES / "put-kbd.yaml"]))
    told = config["truth"]
    found = survey_by_name(tmp_path, told["recordings"], told["files"], config["session_pattern"])
    assert len(found.recordings) == 6
    for r in found.recordings:
        events = read_event_table(r.touch_files, r.start, r.path, Truth())
        assert set(events.label) == {r.path.parent.name}
        assert events.seconds_since(r.start) == pytest.approx(np.arange(0.5, 3.5, 0.3))
