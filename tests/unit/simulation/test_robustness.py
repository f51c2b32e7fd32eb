"""What tests/benchmark/robustness.py makes of scores; that it runs is seen by running it."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from tap2key.core.errors import Tap2keyError
from tap2key.simulation.difficulty import load_difficulty, of_session

BENCHMARK = Path(__file__).parents[2] / "benchmark"
ASKED_FOR = {
    *("placement", "gains", "wave speed", "table", "click share", "noise", "speech", "music"),
    *("lift-off", "overlap", "palms", "coupling", "skew"),
}


@pytest.fixture
def robustness(monkeypatch):
    """The script, which finds its neighbours as it does when it is run."""
    monkeypatch.syspath_prepend(str(BENCHMARK))
    return importlib.import_module("robustness")


@pytest.mark.parametrize("world", [None, "hard"])
def test_every_level_changes_its_factor_and_nothing_else(robustness, tmp_path, world):
    factors = yaml.safe_load((BENCHMARK / "robustness.yaml").read_text())
    assert set(factors) == ASKED_FOR
    own = load_difficulty(world)
    for level in robustness.levels_of(factors, list(factors)):
        changes = {key: part for key, part in level.changes.items() if key != "material"}
        path = tmp_path / "difficulty.yaml"
        path.write_text(yaml.safe_dump(robustness.changed(own, changes)))
        made = load_difficulty(path)
        for table in own["tables"]:
            for room in own["rooms"]:
                before, after = (flat(of_session(d, table, room)) for d in (own, made))
                asked = flat(changes)
                assert {key: after[key] for key in asked} == asked
                assert {k: v for k, v in after.items() if k not in asked} == {
                    k: v for k, v in before.items() if k not in asked
                }
                assert not asked or before != after


def flat(nested, before=()):
    """Numbers by their path, without those of single tables and rooms."""
    if not isinstance(nested, dict):
        return {before: nested}
    parts = (
        flat(part, (*before, key)) for key, part in nested.items() if key not in ("tables", "rooms")
    )
    return {key: value for part in parts for key, value in part.items()}


def test_a_factor_that_there_is_not_is_refused(robustness):
    with pytest.raises(Tap2keyError, match="no wind; there are noise"):
        robustness.levels_of({"noise": {"5 dB": {}}}, ["wind"])


def test_experiments_are_compared_on_the_folds_that_all_have(robustness, tmp_path):
    for folder in ("net/Ana/seed-0", "net/Bo/seed-0", "net/Bo/seed-1", "svm/Bo/seed-0"):
        (tmp_path / "models" / folder).mkdir(parents=True)
    root = tmp_path / "models"
    both = [root / "net" / "Bo" / seed for seed in ("seed-0", "seed-1")]
    assert robustness.models_of(tmp_path, []) == {
        "net": [both],
        "svm": [[root / "svm" / "Bo" / "seed-0"]],
    }
    assert [len(seeds) for seeds in robustness.models_of(tmp_path, ["net"])["net"]] == [1, 2]
    with pytest.raises(Tap2keyError, match="no finished model"):
        robustness.models_of(tmp_path, ["net", "tree"])
    with pytest.raises(Tap2keyError, match="no simulated study"):
        robustness.world_of(tmp_path)


def scored(robustness, level, experiment, scores):
    """Rows of people, each of two seeds whose mean is the score."""
    rest = {"taps": 10, "accuracy": 0.5, "recall": 1.0, "precision": 1.0, "end_to_end": 0.5}
    return [
        {
            **dict(zip(("factor", "level"), level, strict=True)),
            **{"experiment": experiment, "participant": name, "fold": "A", "seed": seed},
            **{"macro_f1": score + (0.02 if seed else -0.02), **rest},
        }
        for name, score in zip("PQRS", scores, strict=True)
        for seed in (0, 1)
    ]


def test_differences_are_paired_over_people_and_ranks_are_against_the_own_world(robustness):
    own = {"net": [0.9, 0.8, 0.95, 0.85], "svm": [0.8, 0.7, 0.7, 0.75], "levels": [0.2] * 4}
    loud = {"net": [0.3, 0.35, 0.2, 0.4], "svm": [0.6, 0.6, 0.5, 0.65], "levels": [0.7] * 4}
    rows = [
        row
        for level, world in ((robustness.OWN, own), (("noise", "5 dB"), loud))
        for name, scores in world.items()
        for row in scored(robustness, level, name, scores)
    ]
    summary = robustness.summary_of(pd.DataFrame(rows))
    net = summary[(summary["factor"] == "noise") & (summary["experiment"] == "net")].iloc[0]
    test = stats.ttest_rel(loud["net"], own["net"])
    interval = test.confidence_interval(0.95)
    assert net["macro_f1"] == pytest.approx(np.mean(loud["net"]))
    assert net["sd"] == pytest.approx(np.std(loud["net"], ddof=1))
    assert net["difference"] == pytest.approx(np.mean(loud["net"]) - np.mean(own["net"]))
    assert (net["low"], net["high"]) == pytest.approx((interval.low, interval.high))
    assert net["taps"] == 40
    (rank,) = robustness.ranks_of(summary).to_dict("records")
    expected = stats.spearmanr(*([np.mean(world[n]) for n in own] for world in (own, loud)))
    assert rank["rank_correlation"] == pytest.approx(expected.statistic) == pytest.approx(-1)
    two = robustness.summary_of(pd.DataFrame(rows).query("experiment != 'svm'"))
    assert robustness.ranks_of(two).empty


def test_a_tap_that_was_not_found_is_wrong_end_to_end(robustness):
    true = pd.DataFrame({"participant": [*"PPPPPQ"], "touched": [True] * 4 + [False, True]})
    known = pd.DataFrame({"participant": [*"PPPPQ"], "true_tap": [0.0, 1.0, 2.0, np.nan, 0.0]})
    found = robustness.end_to_end({"participant": "P", "taps": 3, "accuracy": 2 / 3}, true, known)
    assert found == pytest.approx({"recall": 3 / 5, "precision": 3 / 4, "end_to_end": 2 / 4})


class Recorded:
    """In place of a study: which levels it was asked for, until one that stops it."""

    def __init__(self, stops_at=None) -> None:
        self.asked, self.stops_at = [], stops_at

    def rows(self, level, work):
        self.asked.append(level.name)
        if level.name == self.stops_at:
            raise KeyboardInterrupt
        value = len(self.asked)
        names = ("experiment", "participant", "fold", "seed", "taps", "macro_f1", "accuracy")
        rest = dict.fromkeys((*names, "recall", "precision", "end_to_end"), value)
        return [{"factor": level.factor, "level": level.name, **rest}]


def test_a_stopped_run_goes_on_where_it_stopped(robustness, tmp_path):
    levels = [robustness.Level("noise", name, {}) for name in ("15 dB", "± 5 %", "0 dB")]
    first = Recorded(stops_at="± 5 %")
    with pytest.raises(KeyboardInterrupt):
        robustness.made(first, levels, tmp_path)
    second = Recorded()
    rows = robustness.made(second, levels, tmp_path)
    assert second.asked == ["± 5 %", "0 dB"]
    assert rows["level"].tolist() == ["15 dB", "± 5 %", "0 dB"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["levels"]
    assert robustness.made(third := Recorded(), levels, tmp_path).equals(rows)
    assert not third.asked
