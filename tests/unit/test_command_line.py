import re
import shlex
import subprocess
import sys

import pytest
from made import WORKFLOW, run
from running import ROOT

from tap2key.__main__ import RENAMED, RENAMED_OPTIONS, STAGES, main, parse, print_with_causes
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
def test_an_old_name_of_a_stage_is_answered_with_the_new_one(old, capsys):
    assert main(["--quiet", old]) == 1
    assert capsys.readouterr().err == f"tap2key: error: {old} is now called {RENAMED[old]}\n"


@pytest.mark.parametrize(
    ("stage", "old", "new"),
    [(stage, *names) for stage, options in RENAMED_OPTIONS.items() for names in options.items()],
)
@pytest.mark.parametrize("value", [["x"], []])
def test_an_old_option_is_answered_with_the_new_one(stage, old, new, value, capsys):
    assert main([stage, "--output", "o", *([old, *value] if value else [f"{old}=x"])]) == 1
    line = f"tap2key: error: {stage} {old} is now called {new}\n"
    assert capsys.readouterr().err == line
    with pytest.raises(SystemExit):
        parse([stage, "--help"])
    options = re.findall(r"--[a-z-]+", capsys.readouterr().out)
    named = re.findall(r"--[a-z-]+", new)
    assert named and all(any(option.startswith(name) for option in options) for name in named)
    assert old not in options


def test_a_value_may_be_called_like_an_old_stage(capsys):
    assert main(["compare", "--summaries", "curves"]) == 1
    assert "curves/summary.json: no such file" in capsys.readouterr().err


def test_arguments_are_taken_from_files_as_if_they_stood_there(tmp_path):
    (tmp_path / "a").write_text("--held-out\0Ana\0--datasets\0a b\0'ü'\nx\0")
    (tmp_path / "b").write_text("")
    end = ["--output", "o"]
    taken = ["--arguments-from", str(tmp_path / "a"), "--arguments-from", str(tmp_path / "b")]
    written = ["fold", "--held-out", "Ana", "--datasets", "a b", "'ü'\nx", *end]
    assert parse(["fold", *taken, *end]) == parse(written)


def test_a_file_of_arguments_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main(["choose", "--arguments-from", str(tmp_path / "none")]) == 1
    assert main(["choose", "--arguments-from"]) == 1
    (tmp_path / "cut").write_text("--models\0a")
    assert main(["choose", "--arguments-from", str(tmp_path / "cut")]) == 1
    first, second, third = capsys.readouterr().err.splitlines()
    assert "--arguments-from: " in first
    assert str(tmp_path / "none") in first
    assert second == "tap2key: error: --arguments-from: name a file"
    assert f"{tmp_path / 'cut'}: end every argument with a zero byte" in third


def test_more_models_than_a_command_line_holds_reach_a_stage(tmp_path):
    """By the shell line of the rule `choose`, with the models of 40,000 folds."""
    rule = (ROOT / "workflow/rules/evaluate.smk").read_text().split("rule choose:")[1]
    line = re.search(r'"python -m (tap2key choose .*?)"', rule)[1].replace(r"\\", "\\")
    models = [
        f"{tmp_path}/results of a study/models/network/{n:0>40}/seed-0" for n in range(40_000)
    ]
    listed = " ".join(map(shlex.quote, models))
    assert len(listed) > 2**22
    script = tmp_path / "script.sh"
    command = line.replace("{input:q}", listed)
    script.write_text(f"set -euo pipefail; {sys.executable} -m {command} --output {tmp_path}/o.tsv")
    done = subprocess.run(["bash", script], cwd=WORKFLOW, capture_output=True, text=True)
    (error,) = done.stderr.splitlines()
    assert error.startswith(f"tap2key: error: {models[0]}")
