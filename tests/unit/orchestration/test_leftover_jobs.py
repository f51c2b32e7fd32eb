import os
import socket
import subprocess
import sys
import time

import psutil
import pytest
from made import WORKFLOW

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.orchestration import leftover_jobs
from tap2key.orchestration.leftover_jobs import RECORD, SECONDS_OF_SILENCE, take_over

ENDS_BY_ITSELF = """
import sys
from pathlib import Path
from tap2key.orchestration import leftover_jobs
leftover_jobs.take_over(Path(sys.argv[1]), "first-run")
"""


def note(results, process, started, host=None):
    write_json(
        results / RECORD,
        {
            "name": "no-such-job",
            "host": host or socket.gethostname(),
            "process": process,
            "started": started,
        },
    )


def silent_for(results, seconds):
    then = time.time() - seconds
    os.utime(results / RECORD, (then, then))


@pytest.fixture
def empty_queue(tmp_path, monkeypatch):
    """A queue without jobs of that name; tests/slurm asks a real one."""
    squeue = tmp_path / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(f"#!/bin/sh\necho $@ > {tmp_path}/asked\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(squeue.parent))
    return tmp_path / "asked"


def test_the_first_run_leaves_a_note(tmp_path):
    assert take_over(tmp_path, "first-run") == []
    assert read_json(tmp_path / RECORD)["name"] == "first-run"


def test_a_run_that_goes_on_is_left_alone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        note(tmp_path, other.pid, psutil.Process(other.pid).create_time())
        before = (tmp_path / RECORD).read_bytes()
        with pytest.raises(Tap2keyError, match=rf"another Snakemake \(process {other.pid}\)"):
            take_over(tmp_path, "second-run")
        assert (tmp_path / RECORD).read_bytes() == before
        other.communicate(b"\n")


def test_a_run_that_ended_is_taken_over(tmp_path, empty_queue):
    with subprocess.Popen([sys.executable, "-c", ""]) as other:
        started = psutil.Process(other.pid).create_time()
    note(tmp_path, other.pid, started)
    assert take_over(tmp_path, "second-run") == []
    assert "--name no-such-job" in empty_queue.read_text()
    assert read_json(tmp_path / RECORD)["name"] == "second-run"


def test_another_process_of_the_same_number_is_not_that_run(tmp_path, empty_queue):
    note(tmp_path, 1, 12.5)
    take_over(tmp_path, "second-run")
    assert read_json(tmp_path / RECORD)["name"] == "second-run"


def test_a_run_without_slurm_ends_the_jobs_of_one_with_it(tmp_path, empty_queue):
    note(tmp_path, 1, 12.5)
    assert take_over(tmp_path, None) == []
    assert "--name no-such-job" in empty_queue.read_text()
    assert not (tmp_path / RECORD).exists()


def test_where_there_is_no_slurm_the_note_is_kept_for_where_there_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    note(tmp_path, 1, 12.5, host="elsewhere")
    silent_for(tmp_path, SECONDS_OF_SILENCE + 1)
    assert take_over(tmp_path, None) == []
    assert (tmp_path / RECORD).exists()
    assert "an earlier run submitted jobs to SLURM" in capsys.readouterr().err


def test_a_run_on_another_machine_is_left_alone_until_it_has_been_silent(tmp_path, empty_queue):
    note(tmp_path, 1, 12.5, host="login-2")
    with pytest.raises(Tap2keyError, match=r"\(process 1 on login-2\).*start again in 3 minutes"):
        take_over(tmp_path, "second-run")
    assert not empty_queue.exists()
    silent_for(tmp_path, SECONDS_OF_SILENCE + 1)
    assert take_over(tmp_path, "second-run") == []
    assert read_json(tmp_path / RECORD)["name"] == "second-run"
    assert [path.name for path in tmp_path.glob(".now-*")] == []


def test_a_note_from_the_future_holds_nobody_up(tmp_path, empty_queue):
    note(tmp_path, 1, 12.5, host="login-2")
    silent_for(tmp_path, -SECONDS_OF_SILENCE - 60)
    assert take_over(tmp_path, "second-run") == []


def test_a_run_shows_that_it_goes_on(tmp_path, monkeypatch):
    touched = []
    monkeypatch.setattr(leftover_jobs, "SECONDS_BETWEEN_TOUCHES", 0)
    monkeypatch.setattr(os, "utime", lambda path: touched.append(path))
    take_over(tmp_path, "first-run")
    while not touched:
        pass
    assert touched[0] == tmp_path / RECORD
    # Its thread ends with the note.
    note(tmp_path, 1, 12.5)


def test_a_run_that_ended_need_not_be_waited_for_but_its_jobs_are(
    tmp_path, monkeypatch, empty_queue
):
    subprocess.run([sys.executable, "-c", ENDS_BY_ITSELF, tmp_path], check=True, cwd=WORKFLOW)
    monkeypatch.setattr(socket, "gethostname", lambda: "login-2")
    assert read_json(tmp_path / RECORD)["name"] == "first-run"
    assert take_over(tmp_path, "second-run") == []
    assert "--name first-run" in empty_queue.read_text()
