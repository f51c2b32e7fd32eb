import re
import subprocess
import sys

import pytest
from made import WORKFLOW, run

from tap2key.__main__ import RENAMED, STAGES, main, parse, print_with_causes
from tap2key.core.errors import Tap2keyError


def test_help_lists_all_stages():
    result = run("--help")
    assert result.returncode == 0
    # A stage's text may go on in further lines, set in by more.
    assert re.findall(r"^    (\S+)", result.stdout, flags=re.M) == list(STAGES)
    for _, text in STAGES.values():
        assert text in " ".join(result.stdout.split())


def test_help_loads_nothing_heavy():
    """Half a second of imports on every --help, and on every job that waits for its stage."""
    code = (
        "import sys; from tap2key.__main__ import parse\n"
        "try: parse(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'sklearn') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=WORKFLOW, capture_output=True, text=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_explains_its_arguments(stage, capsys):
    with pytest.raises(SystemExit) as stop:
        parse([stage, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: tap2key {stage}")
    assert STAGES[stage][1] in " ".join(shown.split())


def test_what_a_user_can_mend_is_one_line_and_status_1(tmp_path):
    result = run(
        *("fold", "--held-out", "Ana", "--datasets", tmp_path / "absent"),
        *("--output", tmp_path / "fold"),
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"tap2key: error: {tmp_path / 'absent' / 'encoding.json'}: no such file\n"
    )


@pytest.mark.parametrize("arguments", [[], ["--nothing"], ["singment"], ["fold"]])
def test_a_wrong_command_line_shows_the_usage_and_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("usage: tap2key")


def test_an_empty_command_line_takes_no_stage_from_the_programs_own(monkeypatch, capsys):
    """Of another program that calls this one, a test runner say."""
    monkeypatch.setattr(sys, "argv", ["other", "config"])
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    monkeypatch.setattr(sys, "argv", ["tap2key", "config"])
    capsys.readouterr()
    assert main() == 0
    assert "soft_label_sd_mm" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["1", "0", None])
def test_a_variable_asks_for_the_traceback_of_what_is_else_one_line(value, tmp_path, monkeypatch):
    monkeypatch.delenv("TAP2KEY_TRACEBACK", raising=False)
    if value is not None:
        monkeypatch.setenv("TAP2KEY_TRACEBACK", value)
    data = tmp_path / "data"
    data.mkdir()
    (data / "encoding.json").write_text("{")
    result = run(*("fold", "--held-out", "Ana", "--datasets", data, "--output", tmp_path / "fold"))
    lines = result.stderr.splitlines()
    assert result.returncode == 1
    assert lines[-1].startswith(f"tap2key: error: {data / 'encoding.json'}: not readable")
    if value == "1":
        assert lines[0] == "Traceback (most recent call last):"
        assert any(line.startswith("json.decoder.JSONDecodeError: ") for line in lines)
    else:
        assert len(lines) == 1


def test_the_traceback_shows_causes_that_the_one_line_leaves_out(capsys):
    try:
        try:
            {}["inner"]
        except KeyError:
            raise Tap2keyError("outer") from None
    except Tap2keyError as error:
        print_with_causes(error)
    assert "KeyError: 'inner'" in capsys.readouterr().err


def test_a_stage_named_as_a_value_is_not_mistaken_for_the_stage(tmp_path, capsys):
    """A participant may be called Train, a folder `evaluate`."""
    status = main(
        [
            *("fold", "--held-out", "train", "--datasets", str(tmp_path / "evaluate")),
            *("--output", str(tmp_path / "segment")),
        ]
    )
    assert status == 1
    assert "evaluate/encoding.json: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_told_the_new_one(old, capsys):
    assert main([old] if not old.startswith("-") else ["predict", old, "0.5"]) == 1
    assert capsys.readouterr().err == f"tap2key: error: {old} is now called {RENAMED[old]}\n"
