"""Dry runs over odd layouts: the DAG that is shown is the one that would run."""

import re

import pytest
import yaml
from running import ROOT, snakemake

DRY = ("--cores", "1", "-n", "--quiet", "host")
PRESPLIT = """
study: [study/first, study/second]
select_experiments: presplit
experiments:
  presplit:
    split: predefined
    predefined: {train: [study/first], test: [study/second]}
"""
FLAT = [f"{name}_01_2{day}_23_data" for name in ("Tony", "Maria", "Chen") for day in (7, 8)]


def dry_run(folder, *config):
    return snakemake(folder, [*DRY, "--config", "study=study", *config])


def rules():
    """What Snakemake lists: each rule and, in brackets, what it says of itself."""
    demo = ["--configfile", str(ROOT / "config" / "demo.yaml"), "--list-rules"]
    run = snakemake(ROOT, demo)
    assert run.status == 0, run.text
    return dict(re.findall(r"^(\w+)(?: (\(.*\)))?$", run.text, flags=re.M))


def expected_jobs(sessions, participants, encodings=5, experiments=6, forests=2):
    runs = experiments * participants
    return {
        "segment": sessions,
        "preview": sessions,
        "encode": encodings * participants,
        "fold": runs,
        "train": (experiments - forests) * participants,
        "baseline": forests * participants,
        "evaluate": runs,
        "draw": runs,
        "adaptation_scores": runs,
        "adaptation_curve": experiments,
        "summarize": experiments,
        "learning_curves": experiments - forests,
        "pretrained": 1,
        "cards": experiments,
        **dict.fromkeys(("choose", "overview", "compare", "answer", "record", "all"), 1),
    }


def test_flat_study(tmp_path, make_session):
    for name in FLAT:
        make_session(name, recordings=2)
    assert dry_run(tmp_path).jobs == expected_jobs(sessions=6, participants=3)


def test_nested_study_with_odd_names(tmp_path, make_session):
    for name in ("Jürgen/27 Jan", "Ann O'Neil/first", 'The "Boss"/1', "李雷/session $HOME"):
        make_session(name)
    run = dry_run(tmp_path)
    assert run.jobs == expected_jobs(sessions=4, participants=4)


def test_selection_from_the_command_line(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    run = dry_run(
        tmp_path, "select_folds=Tony,Chen", "select_experiments=level-forest,gcc-phat-forest"
    )
    assert run.jobs == {
        "segment": 6,
        "preview": 6,
        "encode": 3,
        "fold": 4,
        "baseline": 4,
        "evaluate": 4,
        "draw": 4,
        "adaptation_scores": 4,
        "adaptation_curve": 2,
        "summarize": 2,
        "cards": 2,
        **dict.fromkeys(("choose", "overview", "compare", "answer", "record", "all"), 1),
    }
    run = dry_run(tmp_path, "select_participants=Tony,Chen", "select_experiments=level-forest")
    assert run.jobs["segment"] == 4
    assert run.jobs["baseline"] == 2


def test_adaptation_can_be_left_out(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    run = dry_run(tmp_path, "adaptation=[]")
    jobs = expected_jobs(sessions=6, participants=3)
    assert run.jobs == {n: c for n, c in jobs.items() if not n.startswith("adaptation")}


def test_new_recordings_are_read_with_all_models_of_an_experiment(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    folder = tmp_path / "Ann O'Neil's new ones"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.wav", "deep/b c.WAV", "notes.txt"):
        (folder / name).touch()
    given = f'predict={{"recordings": "{folder.name}", "experiment": "level-forest"}}'
    run = dry_run(tmp_path, given, "select_experiments=level-forest", "adaptation=[]")
    assert run.jobs["predict"] == 1
    assert run.jobs["baseline"] == 3
    block = run.text.split("rule predict:", 1)[1].split("rule ", 1)[0]
    for name in ("a.wav", "b c.WAV", *(f"level-forest/{p}/seed-0" for p in ("Chen", "Tony"))):
        assert name in block
    assert "notes.txt" not in block


def test_a_session_left_out_in_study_tsv(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    make_session("Maria_01_29_23_data", neonode=False)
    table = "path\tuse\nMaria_01_29_23_data\tno\n"
    (tmp_path / "study" / "study.tsv").write_text(table, encoding="utf-8")
    assert dry_run(tmp_path).jobs["segment"] == 6


def one_participant(make_session):
    make_session("Tony_01_27_23_data")


def no_sensor_folder(make_session):
    make_session("Tony_01_27_23_data")
    make_session("Maria_01_27_23_data", neonode=False)


def no_sensor_file(make_session):
    make_session("Tony_01_27_23_data")
    next((make_session("Maria_01_27_23_data") / "02.neonode").iterdir()).unlink()


def no_recordings_folder(make_session):
    make_session("Tony_01_27_23_data")
    make_session("Maria_01_27_23_data", acoustic=False)


def colliding(make_session):
    make_session("Tony_01_27_23_data")
    make_session("Tony/01_27_23_data")


def braces(make_session):
    make_session("Tony_{session}")
    make_session("Maria_01")


def empty(make_session):
    make_session("x/../../study/.hidden/Tony_1")


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (one_participant, ["one participant", "Tony"]),
        (no_sensor_folder, ["Maria_01_27_23_data", "02.neonode", "use = no"]),
        (no_sensor_file, ["Maria_01_27_23_data", "nnode.csv"]),
        (no_recordings_folder, ["Maria_01_27_23_data", "01.acoustic"]),
        (colliding, ["Tony_01_27_23_data", "Tony/01_27_23_data", "study.tsv"]),
        (braces, ["{session}", "brace"]),
        (empty, ["no session"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_bad_study_is_one_line_before_any_job(tmp_path, make_session, layout, said):
    layout(make_session)
    run = dry_run(tmp_path)
    assert run.status != 0
    assert not run.jobs
    for words in said:
        assert words in run.error


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (["segmnt={}"], ["segmnt", "did you mean 'segment'"]),
        (["study=nowhere"], ["nowhere", "not found"]),
        (["session_pattern=x"], ["session_pattern", "participant"]),
        (["select_folds=Bob"], ["select_folds", "Bob", "Tony"]),
        (["select_experiments=best"], ["select_experiments", "best", "aligned-48000"]),
        (["predict={recordings: nowhere}"], ["nowhere", "no such file or folder"]),
        (["predict={recordings: study, experiment: best}"], ["predict.experiment", "best"]),
        (["experiments={a: {kind: svm}}"], ["experiments.a.kind", "svm"]),
    ],
)
def test_a_bad_configuration_is_one_line_before_any_job(tmp_path, make_session, config, said):
    for name in FLAT:
        make_session(name)
    run = dry_run(tmp_path, *config)
    assert run.status != 0
    assert not run.jobs
    for words in said:
        assert words in run.error


@pytest.mark.parametrize("results", ["study", "study/made", "."])
def test_results_in_around_or_instead_of_the_study_are_refused_and_nothing_is_touched(
    tmp_path, make_session, results
):
    for name in FLAT:
        make_session(name)
    table = tmp_path / "study" / "study.tsv"
    table.write_text("path\tuse\nTony_01_27_23_data\tno\n", encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "study").rglob("*")}
    run = dry_run(tmp_path, f"results={results}")
    assert run.status != 0
    assert not run.jobs
    assert f"results ({results}) and study (study) are the same folder, or one lies" in run.error
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "study").rglob("*")}
    assert after == before


def test_people_whose_names_are_digits_are_selected_as_they_are_written(tmp_path, make_session):
    for name in ("001/a", "002/a", "010/a"):
        make_session(name)
    run = dry_run(tmp_path, "select_folds=001", "select_experiments=level-forest")
    assert run.status == 0, run.text
    assert run.planned["fold"] == [{"experiment": "level-forest", "fold": "001", "seed": "0"}]
    run = dry_run(tmp_path, "select_folds=001,010", "select_experiments=level-forest")
    assert {job["fold"] for job in run.planned["fold"]} == {"001", "010"}


def test_what_looks_like_a_recording_and_is_not_used_is_said_and_listed(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    stray = tmp_path / "study" / FLAT[0] / "01.acoustic" / "part2" / "x.wav"
    stray.parent.mkdir()
    stray.touch()
    run = dry_run(tmp_path, "select_experiments=level-forest")
    assert run.status == 0, run.text
    assert run.text.count("warning: 1 in the study not used, see results/passed_over.tsv") == 1
    assert "part2/x.wav" in (tmp_path / "results" / "passed_over.tsv").read_text(encoding="utf-8")


def test_the_demo_shows_its_whole_dag_from_a_clean_checkout(copy_of_workflow):
    run = snakemake(copy_of_workflow, ["--profile", "profiles/demo", "-n"], root=copy_of_workflow)
    assert run.status == 0, run.text
    assert run.jobs["simulate"] == run.jobs["segment"] == 4 * 3
    assert run.jobs["train"] == run.jobs["encode"] / 2


def test_profiles_name_rules_that_there_are():
    named = set()
    for profile in (ROOT / "profiles").glob("*/config.yaml"):
        settings = yaml.safe_load(profile.read_text(encoding="utf-8"))
        for option in ("set-threads", "set-resources", "groups"):
            named |= set(settings.get(option, {}))
    assert "train" in named
    assert named <= set(rules())


def test_the_list_of_rules_explains_each_of_them():
    listed = rules()
    assert {"simulate", "segment", "train", "draw", "record", "all"} <= set(listed)
    unexplained = [name for name, about in listed.items() if not about.endswith(".)")]
    assert unexplained == []


def test_the_rule_graph_has_one_box_for_each_rule_of_the_demo(copy_of_workflow):
    asked = ["--profile", "profiles/demo"]
    jobs = snakemake(copy_of_workflow, [*asked, "-n"], root=copy_of_workflow).jobs
    drawn = snakemake(copy_of_workflow, [*asked, "--rulegraph"], root=copy_of_workflow)
    boxes = re.findall(r'^\t\d+\[label = "(\w+)"', drawn.text, flags=re.M)
    assert sorted(boxes) == sorted(jobs)


def test_every_experiment_of_the_file_and_each_encoding_once(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    config = str(ROOT / "config" / "experiments.yaml")
    run = snakemake(tmp_path, [*DRY, "--configfile", config, "--config", "study=study"])
    assert run.status == 0, run.text
    jobs = [(job["encoding"], job["participant"]) for job in run.planned["encode"]]
    assert len(jobs) == len(set(jobs))
    # Six representations, three more rates, a wider and the whole window; then those of the
    # prototype, of the delays' forest, of the cepstra's, of correlations, and of waves beside them.
    assert len({encoding for encoding, _ in jobs}) == 6 + 3 + 2 + 1 + 1 + 1 + 1 + 1
    splits = {job["experiment"]: set() for job in run.planned["fold"]}
    for job in run.planned["fold"]:
        splits[job["experiment"]].add(job["fold"])
    assert splits["small-interleave"] == {"Tony", "Maria", "Chen"}
    assert splits["small-stack-random"] == {f"part-{number}" for number in range(1, 6)}
    assert len(splits["small-sessions"]) == len(FLAT)
    assert "pretrained" not in run.jobs


def test_two_roots_train_and_test(tmp_path, make_session):
    for name in ("first/Tony_1", "first/Tony_2", "first/Maria_1", "second/Chen_1"):
        make_session(name)
    (tmp_path / "presplit.yaml").write_text(PRESPLIT, encoding="utf-8")
    run = snakemake(tmp_path, [*DRY, "--configfile", "presplit.yaml"])
    assert run.status == 0, run.text
    assert (run.jobs["segment"], run.jobs["encode"]) == (4, 3)
    assert (run.jobs["train"], run.jobs["evaluate"]) == (1, 1)
    inputs = {
        rule: re.search(rf"^rule {rule}:\n +input: (.*)$", run.text, re.M)[1]
        for rule in ("train", "evaluate")
    }
    assert ("Tony" in inputs["train"], "Chen" in inputs["train"]) == (True, False)
    assert ("Tony" in inputs["evaluate"], "Chen" in inputs["evaluate"]) == (False, True)


def inputs_of(run, rule):
    """The inputs of each of a rule's jobs, by its fold."""
    jobs = re.findall(rf"^rule {rule}:\n((?: +\w+: .*\n)+)", run.text, re.M)
    found = [dict(re.findall(r"^ +(\w+): (.*)$", job, re.M)) for job in jobs]
    return {re.search(r"fold=([^,]+)", job["wildcards"])[1]: job["input"] for job in found}


def test_one_table_is_left_out_with_whoever_sat_only_there(tmp_path, make_session):
    tables = {"Tony/1": "oak", "Tony/2": "glass", "Maria/1": "glass", "Chen/1": "oak"}
    for name in tables:
        make_session(name)
    rows = "".join(f"{name}\t{table}\n" for name, table in tables.items())
    (tmp_path / "study" / "study.tsv").write_text(f"path\ttable\n{rows}", encoding="utf-8")
    config = "experiments={t: {kind: level_forest, split: leave_one_out, by: table}}"
    run = dry_run(tmp_path, config, "select_experiments=t")
    assert run.status == 0, run.text
    for rule in ("fold", "baseline"):
        inputs = inputs_of(run, rule)
        assert set(inputs) == {"glass", "oak"}
        assert ["/Tony" in inputs["glass"], "/Maria" in inputs["glass"]] == [True, False]
        assert ["/Tony" in inputs["oak"], "/Chen" in inputs["oak"]] == [True, False]
    tested = inputs_of(run, "evaluate")
    assert [f"/{name}" in tested["glass"] for name in ("Tony", "Maria", "Chen")] == [
        True,
        True,
        False,
    ]
    assert (run.jobs["adaptation_scores"], run.jobs["adaptation_curve"]) == (2, 1)


def test_one_person_is_a_study_for_splits_within_people(tmp_path, make_session):
    make_session("Tony_1")
    made = "{c: {kind: level_forest, split: chronological}, b: {kind: level_forest, split: blocks}}"
    run = dry_run(tmp_path, f"experiments={made}", "select_experiments=c,b", "keyboard=ansi")
    assert run.status == 0, run.text
    assert (run.jobs["segment"], run.jobs["encode"], run.jobs["summarize"]) == (1, 1, 2)
    assert set(inputs_of(run, "fold")) == {"chronological", *(f"block-{n}" for n in range(1, 6))}
    assert "config/keyboards/ansi.csv" in run.text


def test_a_larger_study_has_one_job_per_session_and_participants_share_them(tmp_path, make_session):
    for person in range(20):
        for session in range(10):
            make_session(f"P{person:02}/{session:02}")
    run = dry_run(tmp_path, "select_experiments=gcc-phat-forest")
    assert run.jobs == {
        **dict.fromkeys(("segment", "preview"), 200),
        **dict.fromkeys(
            ("encode", "fold", "baseline", "evaluate", "draw", "adaptation_scores"), 20
        ),
        **dict.fromkeys(("summarize", "adaptation_curve", "overview", "compare"), 1),
        **dict.fromkeys(("choose", "answer", "cards", "record", "all"), 1),
    }


def test_training_waits_for_and_follows_a_checkpoint_on_this_disk(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    weights = tmp_path / "own" / "model.safetensors"
    weights.parent.mkdir()
    for file in (weights, weights.with_name("config.json")):
        file.touch()
    mine = f"experiments={{mine: {{model: {{checkpoint: {weights.parent}}}}}}}"
    run = snakemake(tmp_path, [*DRY, "--config", "study=study", mine, "select_experiments=mine"])
    assert run.status == 0, run.text
    assert "pretrained" not in run.jobs
    assert run.text.count(f", {weights}\n") == run.jobs["train"]


def test_pictures_and_new_recordings_are_made_by_the_settings_of_taps(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    (tmp_path / "new.wav").touch()
    chosen = {
        **{"study": "study", "keyboard": "ansi", "select_experiments": "level-forest"},
        **{"segment": {"peak_height": 0.25}, "predict": {"recordings": "new.wav"}},
        "truth": {"releases": "drop"},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(chosen), encoding="utf-8")
    run = snakemake(tmp_path, [*DRY, "-p", "--configfile", "own.yaml"])
    assert run.status == 0, run.text
    for stage, count in (("segment", len(FLAT)), ("preview", len(FLAT)), ("predict", 1)):
        commands = re.findall(rf"^.*python -m tap2key {stage} .*$", run.text, flags=re.M)
        assert len(commands) == count
        for command in commands:
            assert re.search(r"--keyboard \S*config/keyboards/ansi\.csv ", command), command
            assert "--peak-height=0.25 " in command
            assert "--releases=drop " in command


MODULE = """
module tap2key:
    snakefile: "{root}/Snakefile"
    prefix: "tapping"
    config: {{"study": "study", "results": "of keys", "select_experiments": ["level-forest"]}}

use rule * from tap2key as tapping_*

rule whole:
    default_target: True
    input: "own.txt", rules.tapping_all.input

rule own:
    output: "own.txt"
    shell: "touch {{output}}"
"""


def test_as_a_module_of_another_snakefile_results_lie_below_its_prefix(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    (tmp_path / "Snakefile").write_text(MODULE.format(root=ROOT), encoding="utf-8")
    run = snakemake(tmp_path, DRY, tmp_path)
    assert run.status == 0, run.text
    assert run.jobs["tapping_segment"] == 6
    assert run.jobs["own"] == run.jobs["whole"] == 1
    results = tmp_path / "tapping" / "of keys"
    assert (results / "manifest.tsv").is_file()
    assert not (tmp_path / "of keys").exists()
    outputs = re.findall(r"^    output: (.*)$", run.text, flags=re.M)
    made = [path for line in outputs for path in line.split(", ") if path != "own.txt"]
    assert made
    assert all(path.startswith(f"{results}/") for path in made)
