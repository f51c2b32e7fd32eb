import subprocess
import sys

import pytest
from made import WORKFLOW, run

from tap2key.__main__ import STAGES, main, parse


def test_help_lists_all_stages():
    result = run("--help")
    assert result.returncode == 0
    listed = [line.split()[0] for line in result.stdout.splitlines() if line.startswith("    ")]
    assert [name for name in listed if name in STAGES] == list(STAGES)
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


@pytest.mark.parametrize("arguments", [[], ["singment"], ["fold"]])
def test_a_wrong_command_line_shows_the_usage_and_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments or ["--nothing"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("usage: tap2key")


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
