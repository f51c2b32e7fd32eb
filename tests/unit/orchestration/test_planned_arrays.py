"""Several arrays in one study: whose is which, what goes together, and what is refused."""

import json

import pytest
from made import RECORDING, session

from tap2key.audio.array import DEFAULT, array_of
from tap2key.config.configuration import complete_config, read_config
from tap2key.config.experiments import stated
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.orchestration import planning
from tap2key.orchestration.workload import Workload

LARGE = {"groups": {"top": [4, 5, 6, 7], "end": [7]}}
SMALL = {"channels": 4, "sample_rate": 48_000, "groups": {"top": [0, 1, 2, 3]}}
FOREST = {"kind": "gcc_phat_forest"}
ON_TOP = {**FOREST, "encoding": {"representation": "top", "crop_ms": [4, 8]}}
AVERAGE = {"encoding": {"representation": "average", "crop_ms": [4, 8]}}
# Ana used both.
USED = {"Ana/one": "", "Ana/two": "small", "Bo/one": "small", "Cy/one": "array"}


@pytest.fixture
def study(tmp_path):
    for name in USED:
        session(tmp_path / "study", name)
    recorded_with(tmp_path, USED)
    return tmp_path


def recorded_with(root, used):
    rows = "".join(f"{path}\t{array}\n" for path, array in used.items())
    (root / "study" / "study.tsv").write_text(f"path\tarray\n{rows}", encoding="utf-8")


def planned(root, experiments, main_process=True, **config):
    raw = {
        "study": str(root / "study"),
        "results": str(root / "results"),
        "array": LARGE,
        "arrays": {"small": SMALL},
        "experiments": experiments,
        **config,
    }
    return planning.make_plan(raw, main_process)


def test_every_session_is_segmented_with_its_own_array(study):
    for main_process in (True, False):
        made = planned(study, {"e": ON_TOP}, main_process)
        found = {
            names: array_of(json.loads(made.array_options(*names)[1])) for names in made.sessions
        }
        small, large = array_of(SMALL), array_of(LARGE)
        assert found == {
            ("Ana", "one"): large,
            ("Ana", "two"): small,
            ("Bo", "one"): small,
            ("Cy", "one"): large,
        }
    listed = read_tsv(study / "results" / "manifest.tsv")
    assert [row["array"] for row in listed] == ["array", "small", "small", "array"]


def test_without_arrays_there_is_one(study):
    (study / "study" / "study.tsv").unlink()
    made = planned(study, {"e": FOREST}, array={}, arrays={})
    assert made.array_options("Ana", "two") == []
    assert made.arrays == {"array": DEFAULT}
    assert planned(study, {"e": FOREST}).used_arrays == ["array"]


@pytest.mark.parametrize(
    "experiment",
    [
        AVERAGE,
        ON_TOP,
        {"kind": "wav2vec2", "encoding": {"representation": "top"}},
        {**AVERAGE, "split": "leave_one_session_out"},
    ],
)
def test_arrays_train_together_where_they_give_inputs_of_one_form(study, experiment):
    made = planned(study, {"e": experiment})
    assert made.used_arrays == ["array", "small"]
    assert made.folds("e")


@pytest.mark.parametrize(
    ("settings", "arrays", "said"),
    [
        ({"representation": "interleave"}, {}, "channels or pairs 8 and 4"),
        ({"representation": "pairs"}, {}, "(channels or pairs 28 and 6)"),
        ({"representation": "pairs"}, {"max_delay_ms": 3}, "frames 65 and 97"),
        ({"representation": "top"}, {"window_ms": [30, 62.5]}, "frames 1366 and 1480"),
        ({"representation": "top"}, {"max_delay_ms": 3}, "max_delay_ms 2 and 3"),
        ({"representation": "average"}, {"window_ms": [62.5, 22.833]}, "frames before the onset"),
    ],
)
def test_arrays_that_do_not_go_together_are_named_before_any_job(study, settings, arrays, said):
    arrays = {"small": {**SMALL, **arrays}}
    with pytest.raises(Tap2keyError) as refused:
        planned(study, {"e": {"encoding": settings}}, arrays=arrays)
    line = str(refused.value)
    assert line.startswith(f"config: experiments.e: {settings['representation']} of array (Ana/one")
    assert "and of small (Ana/two and 1 more) do not go together" in line
    assert said in line and "select_arrays or select_participants" in line
    assert "\n" not in line


def test_what_an_array_cannot_give_is_said_of_its_sessions(study):
    with pytest.raises(
        Tap2keyError,
        match=r"experiments\.e: small \(Ana/two and 1 more\): unknown representation 'end'",
    ):
        planned(study, {"e": {"encoding": {"representation": "end"}}})
    with pytest.raises(Tap2keyError, match=r"small \(.*sample_rate 96000 is above"):
        planned(study, {"e": {"encoding": {"representation": "top", "sample_rate": 96_000}}})


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (
            {"channels": 6, "sample_rate": 44_100},
            "aligned-48000: encoding.sample_rate 48000 is above array.sample_rate 44100",
        ),
        ({"channels": 1}, "pairs-48000: encoding.representation pairs needs at least two channels"),
    ],
)
def test_what_cannot_be_mended_in_a_shipped_experiment_is_left_to_the_selection(
    tmp_path, array, said
):
    study = tmp_path / "study"
    for name in ("Ana/one", "Bo/one"):
        session(study, name)
    raw = {**read_config([]), "study": str(study), "results": str(tmp_path / "results")}
    with pytest.raises(Tap2keyError) as refused:
        planning.make_plan({**raw, "array": array}, True)
    line = str(refused.value)
    assert line.startswith(f"config: experiments.{said}; shipped experiments are fixed: choose ")
    assert "select_experiments" in line and "lower it" not in line
    fitting = {"array": array, "select_experiments": ["wav2vec2-base"]}
    assert planning.make_plan({**raw, **fitting}, True).experiments
    own = {"experiments": {"own": {"encoding": {"sample_rate": 192_000}}}}
    with pytest.raises(Tap2keyError, match=r"experiments\.own: .*sample_rate .*; lower it"):
        planning.make_plan({**raw, **own, "array": array}, True)


def late(kind, representation="interleave", crop_ms=(2, 5), model_crop_ms=None):
    encoding = {"representation": representation, "sample_rate": 48_000, "crop_ms": list(crop_ms)}
    model = {"model": {"crop_ms": model_crop_ms}} if model_crop_ms else {}
    return {"kind": kind, "encoding": encoding, **model}


@pytest.mark.parametrize(
    ("experiment", "array", "key"),
    [
        (late("gcc_phat_forest"), {}, "encoding.crop_ms"),
        (late("pairs_svm", "pairs_waves"), {}, "encoding.crop_ms"),
        (late("pairs_svm", "pairs", (2, 6)), {}, "encoding.crop_ms"),
        (late("learned_gcc", crop_ms=(5, 12), model_crop_ms=[2, 4]), {}, "model.crop_ms"),
        (late("pairs_svm", "pairs", (2, 30)), {"window_ms": [20, 6]}, "array.window_ms"),
    ],
)
def test_delays_are_not_looked_for_in_what_is_cut_away(study, experiment, array, key):
    array = {"channels": 8, "max_delay_ms": 6, **array}
    (study / "study" / "study.tsv").unlink()
    with pytest.raises(Tap2keyError) as refused:
        planned(study, {"e": experiment}, array=array, arrays={})
    said = f"config: experiments.e: {key} ends no later than array.max_delay_ms 6, "
    assert str(refused.value).startswith(said)
    assert ("crop_ms: [2, 12]" in str(refused.value)) == (key == "encoding.crop_ms")
    nearer = {**array, "max_delay_ms": 2}
    assert planned(study, {"e": experiment}, array=nearer, arrays={}).folds("e")


def test_what_needs_no_delays_may_keep_less_than_the_longest(study):
    (study / "study" / "study.tsv").unlink()
    made = planned(study, {"e": late("mfcc_forest")}, array={"max_delay_ms": 6}, arrays={})
    assert made.folds("e")


def test_people_of_one_array_are_apart_from_others(study):
    experiments = {"e": {"encoding": {"representation": "interleave"}}}
    recorded_with(study, {**USED, "Ana/two": ""})
    session(study / "study", "Dee/one")
    with pytest.raises(Tap2keyError, match="do not go together"):
        planned(study, experiments)
    made = planned(study, experiments, select_participants="Ana,Cy,Dee")
    assert made.used_arrays == ["array"]
    sides = {"split": "predefined", "predefined": {"train": ["Ana", "Cy"], "test": ["Dee"]}}
    assert planned(study, {"e": {**experiments["e"], **sides}}).folds("e")


def test_the_sessions_of_one_array_are_selected(study):
    experiments = {"e": {"encoding": {"representation": "interleave"}}}
    for main_process in (True, False):
        made = planned(study, experiments, main_process, select_arrays=["small"])
        assert list(made.sessions) == [("Ana", "two"), ("Bo", "one")]
        assert list(made.folds("e")) == ["Ana", "Bo"]
    others = read_tsv(study / "results" / "passed_over.tsv")
    assert [(row["session"], row["reason"]) for row in others] == [
        ("one", "not in select_arrays (array)")
    ] * 2
    made = planned(study, experiments, select_arrays="array")
    assert list(made.sessions) == [("Ana", "one"), ("Cy", "one")]
    with pytest.raises(Tap2keyError, match="select_arrays: unknown 'big'; available: array, small"):
        planned(study, experiments, select_arrays="big")
    recorded_with(study, dict.fromkeys(USED, "small"))
    with pytest.raises(Tap2keyError, match="no session was recorded with array; the column array"):
        planned(study, experiments, select_arrays="array")


def test_one_array_after_the_other_is_left_out(study):
    by_array = {**ON_TOP, "split": "leave_one_out", "by": "array"}
    made = planned(study, {"e": by_array})
    assert list(made.folds("e")) == ["array", "small"]
    assert made.folds("e")["small"].train == ("Ana", "Cy")
    assert made.folds("e")["small"].test == ("Ana", "Bo")
    assert made.fold_options("e", "small")[:3] == ["--held-group", "array", "small"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("path\tarray\nBo/one\tbig\n", r"study\.tsv, line 2: array 'big' is none of array, small;"),
        ("path\tarrays\nBo/one\tsmall\n", "unknown column arrays; did you mean array"),
        (
            f"path\tarray\nBo/one\t\nBo/one/01.acoustic/{RECORDING}\tsmall\n",
            "recorded with array, others of session Bo/one with small; give it a session of its",
        ),
    ],
)
def test_a_cell_that_names_no_array_or_two_is_refused(study, rows, said):
    second = study / "study" / "Bo" / "one" / "01.acoustic" / "14.05.22.123_01_27_2023.wav"
    second.touch()
    (study / "study" / "study.tsv").write_text(rows, encoding="utf-8")
    with pytest.raises(Tap2keyError, match=said):
        planned(study, {"e": ON_TOP})


def test_new_recordings_of_one_of_several_arrays(study):
    new = study / "new"
    new.mkdir()
    (new / "a.wav").touch()
    with pytest.raises(
        Tap2keyError, match=r"predict\.array: say what .* recorded with, one of array, small"
    ):
        planned(study, {"e": ON_TOP}, predict={"recordings": str(new)})
    with pytest.raises(Tap2keyError, match=r"predict\.array: unknown 'big'; available: array"):
        planned(study, {"e": ON_TOP}, predict={"recordings": str(new), "array": "big"})
    for name, array in (("small", SMALL), ("array", LARGE)):
        made = planned(study, {"e": ON_TOP}, predict={"recordings": str(new), "array": name})
        option, text = made.new_array_options
        assert (option, array_of(json.loads(text))) == ("--array", array_of(array))
    made = planned(study, {"e": ON_TOP}, predict={"recordings": str(new)}, select_arrays="small")
    assert made.new_array_options == []


@pytest.mark.parametrize(
    ("representation", "trained_on", "asked", "said"),
    [
        (
            "interleave", "small", "array",
            r"array cannot be read by models of experiments\.e, which are trained on small "
            r"\(Ana/two and 1 more\) \(channels or pairs 8 and 4\)",
        ),
        ("end", "array", "small", "small: unknown representation 'end'"),
    ],
)  # fmt: skip
def test_new_recordings_that_the_models_could_not_read_are_refused_before_any_job(
    study, representation, trained_on, asked, said
):
    (study / "a.wav").touch()
    predict = {"recordings": str(study / "a.wav"), "array": asked}
    forest = {"kind": "mfcc_forest", "encoding": {"representation": representation}}
    with pytest.raises(Tap2keyError, match=rf"config: predict\.array: {said}"):
        planned(study, {"e": forest}, predict=predict, select_arrays=trained_on)


def test_an_array_is_as_the_studys_but_for_what_it_states():
    study = {"channels": 6, "sample_rate": 48_000, "ignore": [5], "groups": {"left": [0, 1]}}
    arrays = {"slow": {"sample_rate": 16_000}, "few": {"channels": 2, "max_delay_ms": 1.0}}
    raw = {"experiments": {"e": {}}, "array": study, "arrays": arrays}
    config = complete_config(raw)
    slow, few = (array_of(config["arrays"][name]) for name in ("slow", "few"))
    assert slow == array_of({**study, "sample_rate": 16_000})
    assert few == array_of({"channels": 2, "sample_rate": 48_000, "max_delay_ms": 1.0})
    # What a run writes down can be run again.
    assert complete_config(stated(config)) == config
    assert raw["arrays"] == {"slow": {"sample_rate": 16_000}, "few": arrays["few"]}


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"array": {}}, r"config: arrays\.array: this name is the study's own array's"),
        ({"s": {"channels": 2, "ignore": [2]}}, r"config: arrays\.s: array\.ignore names channel"),
        ({"s": {"channel": 2}}, r"config: arrays\.s: unknown key 'channel'; did you mean"),
        ({6: {"channels": 2}}, r"config: arrays: write the name 6 in quotes"),
    ],
)
def test_an_array_that_cannot_be_is_refused_by_its_name(study, arrays, said):
    (study / "study" / "study.tsv").unlink()
    with pytest.raises(Tap2keyError, match=said):
        planned(study, {"e": FOREST}, arrays=arrays)


def test_the_size_of_inputs_is_that_of_an_array_in_use(study):
    recorded_with(study, dict.fromkeys(USED, "small"))
    made = planned(study, {"e": {"encoding": {"representation": "interleave"}}})
    assert Workload(made).array == array_of(SMALL)


def test_multilateration_is_of_one_array_and_alone_needs_the_keyboard(study):
    where = {"positions_mm": [[10.0 * c, 0.0] for c in range(8)]}
    small = {**SMALL, "positions_mm": where["positions_mm"][:4]}
    geometry = {**ON_TOP, "kind": "multilateration"}
    experiments = {"e": geometry, "f": ON_TOP}
    array = {**LARGE, **where}
    with pytest.raises(Tap2keyError, match=r"experiments\.e: multilateration is for one array"):
        planned(study, experiments, array=array, arrays={"small": small})
    recorded_with(study, dict.fromkeys(USED, ""))
    made = planned(study, experiments, array=array, arrays={})
    assert made.baseline_keyboard("e") == [made.keyboard]
    assert made.baseline_keyboard("f") == []
