import os
from pathlib import Path

import pytest

from tap2key.config.configuration import complete_config
from tap2key.config.experiments import stated
from tap2key.orchestration.planning import make_plan, plan_of
from tap2key.orchestration.recording_sources import survey
from tap2key.orchestration.simulated_sessions import files_to_declare, marker_of

FLAT, NESTED = "Tony_01_27_23_data", "Tony/01_27_23"


def config_of(results, **simulate):
    return {
        "simulate": {"participants": 2, "sessions": 1, "recordings": 2, **simulate},
        "results": str(results),
        "experiments": {"forest": {"kind": "level_forest"}},
    }


def make_files(plan):
    """Empty files in the places of all recordings and touch logs, and then the markers."""
    for recording in plan.recordings:
        for path in (recording.path, *recording.touch_files):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for folder in plan.simulated_folders:
        marker = Path(marker_of(plan.results, folder))
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()


@pytest.fixture(params=["flat", "nested"])
def plan(request, tmp_path):
    config = complete_config(config_of(tmp_path / "results", layout=request.param))
    return plan_of(config, survey(config).recordings)


def tonys(plan):
    first = next(r for r in plan.recordings if r.participant == "Tony")
    return [r.path for r in plan.recordings if r.participant == "Tony"] + list(first.touch_files)


def marker(plan):
    folder = next(f for f in plan.simulated_folders if f in (FLAT, NESTED))
    return marker_of(plan.results, folder)


def test_a_simulated_session_is_declared_by_its_marker_before_and_after_it_is_made(plan):
    assert plan.to_declare(tonys(plan)) == [marker(plan)]
    make_files(plan)
    assert plan.to_declare(tonys(plan)) == [marker(plan)]


def test_a_file_that_was_changed_after_the_marker_is_declared_too(plan):
    make_files(plan)
    made = Path(marker(plan)).stat().st_mtime_ns
    for changed in tonys(plan):
        os.utime(changed, ns=(made + 1, made + 1))
        assert plan.to_declare(tonys(plan)) == [marker(plan), str(changed)]
        os.utime(changed, ns=(made, made))


def test_a_file_outside_the_simulated_study_is_declared_by_itself(plan, tmp_path):
    make_files(plan)
    others = [
        tmp_path / "a.wav",
        tmp_path / "results" / "simulated" / "study" / "x" / "y" / "b.wav",
    ]
    assert plan.to_declare([*others, *tonys(plan)]) == [*map(str, others), marker(plan)]


def test_without_simulated_sessions_every_file_is_declared(plan):
    make_files(plan)
    files = tonys(plan)
    assert files_to_declare(files, plan.results, []) == list(map(str, files))


def test_the_same_file_by_another_path_has_the_same_marker(plan, tmp_path):
    make_files(plan)
    (tmp_path / "link").symlink_to(tmp_path / "results" / "simulated" / "study")
    files = [str(path).replace(plan.simulated_study, f"{tmp_path}/link") for path in tonys(plan)]
    assert plan.to_declare(files) == [marker(plan)]


def test_only_a_session_that_lacks_a_file_loses_its_marker_and_only_in_the_main_process(plan):
    make_files(plan)
    tonys(plan)[-1].unlink()
    make_plan(stated(plan.config), main_process=True)
    left = [f for f in plan.simulated_folders if Path(marker_of(plan.results, f)).exists()]
    assert sorted(left) == sorted(plan.simulated_folders - {FLAT, NESTED})
    make_files(plan)
    tonys(plan)[0].unlink()
    make_plan(stated(plan.config), main_process=False)
    assert Path(marker(plan)).exists()
