import numpy as np
import pytest
import yaml
from made import session

from tap2key.config.configuration import complete_config
from tap2key.config.experiments import stated
from tap2key.orchestration.job_seconds import (
    ASSUMED_ON_GPU,
    Key,
    Line,
    fitted,
    known_line,
    measured_lines,
    shipped_lines,
    workload_of_finished,
)
from tap2key.orchestration.planning import plan_of
from tap2key.orchestration.recording_sources import survey
from tap2key.orchestration.workload import GPU_OPERATIONS, OPERATIONS, TAPS, TREES
from tap2key.study.manifest import write_manifest

TIMED = "s\th:m:s\tmax_rss\tmean_load\tcpu_time\n{}\t0:00:09\t100\t50\t1\n"
DOWNS = {"Ana_1": 10, "Ana_2": 20, "Bo_1": 40, "Cy_1": 80}


@pytest.fixture
def results(tmp_path):
    """What is left of a finished run of two forests, three people and four sessions."""
    for name, downs in DOWNS.items():
        session(tmp_path / "study", name)
        rows = [f"2023-01-27 13:05:01.1, {n}, Down, 2000, 1000, 60\n" for n in range(downs)]
        file = tmp_path / "study" / name / "02.neonode" / "a_nnode.csv"
        file.write_text("".join(rows), encoding="utf-8")
    forests = {name: {"kind": f"{name}_forest", "trees": 7} for name in ("level", "mfcc")}
    config = complete_config({"study": str(tmp_path / "study"), "experiments": forests})
    results = tmp_path / "results"
    (results / "run").mkdir(parents=True)
    (results / "run" / "config.yaml").write_text(yaml.safe_dump(stated(config)), encoding="utf-8")
    write_manifest(results / "manifest.tsv", plan_of(config, survey(config).recordings).recordings)
    return results


def timed(results, job, seconds):
    table = results / "benchmarks" / f"{job}.tsv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(TIMED.format(seconds), encoding="utf-8")


def lines_of(results, use=None, known=None):
    run = (results / "benchmarks", workload_of_finished(results))
    return measured_lines([run], use or {}, known or {})


def test_the_slope_of_a_rule_is_that_of_its_jobs(results):
    for name, downs in DOWNS.items():
        timed(results, f"segment/{name.replace('_', '/')}", 1.5 + 0.25 * downs)
    line = lines_of(results)[Key("segment", "-", TAPS)]
    assert (line.base, line.slope, line.jobs) == (pytest.approx(1.5), pytest.approx(0.25), 4)


def test_models_of_a_kind_have_a_line_of_their_own_over_taps_and_trees(results):
    pools = {"Ana": 40 + 80, "Bo": 30 + 80, "Cy": 30 + 40}
    for kind, pace in (("level", 0.001), ("mfcc", 0.01)):
        for person, pool in pools.items():
            timed(results, f"grow/{kind}/{person}/seed-0", pace * 7 * pool)
    known = {Key("grow", f"{kind}_forest", TREES): Line(0, 1, 1, "") for kind in ("level", "mfcc")}
    found = lines_of(results, {"grow": "made"}, known)
    config = yaml.safe_load((results / "run" / "config.yaml").read_text(encoding="utf-8"))
    validated = config["experiments"]["level"]["validation"]["fraction"]
    for kind, pace in (("level", 0.001), ("mfcc", 0.01)):
        line = found[Key("grow", f"{kind}_forest", TREES)]
        assert (line.base, line.slope) == (0, pytest.approx(pace / (1 - validated)))


def test_jobs_that_are_no_part_of_the_run_do_not_count(results):
    timed(results, "segment/Ana/1", 3.0)
    timed(results, "segment/Gone/1", 3000.0)
    assert lines_of(results)[Key("segment", "-", TAPS)] == Line(3.0, 0.0, 1, "measured")


def test_jobs_too_much_alike_take_the_shape_of_the_known_line():
    known = Line(2.0, 0.1, 9, "shipped")
    line = fitted(np.array([100.0, 101, 102, 103]), np.full(4, 2 * known.at(101.5)), known)
    assert (line.base, line.slope) == (pytest.approx(4.0), pytest.approx(0.2))


def test_a_slope_that_explains_little_is_none():
    noise = np.array([1.0, 5, 1, 5, 1, 5])
    assert fitted(np.arange(1.0, 7), noise, None) == Line(3.0, 0.0, 6, "measured")


def test_no_line_starts_below_zero():
    line = fitted(np.array([10.0, 20, 30, 40]), np.array([1.0, 4, 9, 16]), None)
    assert line.base == 0 and line.slope == pytest.approx((10 + 80 + 270 + 640) / 3000)


def test_a_kind_that_was_not_measured_takes_the_steepest_other_in_its_unit():
    flat, steep = Line(9, 1, 1, ""), Line(1, 2, 1, "")
    lines = {Key("r", "a", TAPS): flat, Key("r", "b", TAPS): steep, Key("s", "c", TAPS): flat}
    assert known_line(Key("r", "c", TAPS), lines) == steep
    assert known_line(Key("r", "a", TAPS), lines) == flat
    assert known_line(Key("r", "a", OPERATIONS), lines) is None


def test_a_gpu_that_was_not_measured_is_assumed_never_taken_from_cpus():
    key = Key("train", "wav2vec2", OPERATIONS)
    on_gpu = key._replace(unit=GPU_OPERATIONS)
    measured = Line(1, 1e-9, 4, "measured")
    assert known_line(on_gpu, {key: measured}) == ASSUMED_ON_GPU
    assert known_line(on_gpu, {on_gpu: measured}) == measured


def test_the_shipped_lines_take_time():
    lines = shipped_lines()
    assert {key.unit for key in lines} == {TAPS, TREES, OPERATIONS}
    assert all(line.base + line.slope > 0 for line in lines.values())
