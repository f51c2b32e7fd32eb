"""A fold → a model. The held-out participant's dataset is no input of any rule here."""


localrules:
    pretrained,


# Compute nodes often have no network: this runs where Snakemake was started.
rule pretrained:
    """Fetch a pretrained model from the model hub, on the machine where Snakemake runs."""
    output:
        directory(f"{RESULTS}/pretrained/{{name}}"),
    log:
        log_of("pretrained", "{name}"),
    benchmark:
        benchmark_of("pretrained", "{name}")
    conda:
        "../../envs/learning.yaml"
    params:
        checkpoint=lambda w, output: PLAN.fetched[str(output)][0],
        revision=lambda w, output: PLAN.fetched[str(output)][1],
        code=code_hash("tap2key.models.fetch"),
    shell:
        "python -m tap2key fetch --checkpoint {params.checkpoint:q}"
        " --revision {params.revision:q} --output {output:q}"
        " > {log:q} 2>&1"


rule train:
    """Train an experiment's network on a fold, without the participant it holds out."""
    input:
        fold=rules.fold.output,
        datasets=lambda w: PLAN.training_datasets(w.experiment, w.fold),
        keyboard=PLAN.keyboard,
        pretrained=lambda w: PLAN.pretrained(w.experiment),
        checkpoint=lambda w: PLAN.checkpoint_files(w.experiment),
        searched=lambda w: PLAN.searched(w.experiment, w.fold, int(w.seed)),
    output:
        directory(f"{RESULTS}/models/{RUN}"),
    log:
        log_of("train", RUN),
    benchmark:
        benchmark_of("train", RUN)
    wildcard_constraints:
        experiment=among(PLAN.of_kind(baselines=False)),
    conda:
        f"../../envs/{training_jobs.training_environment(PLAN.config['launch'])}"
    threads: 8
    resources:
        **training_jobs.launch_resources(PLAN.config["launch"]),
        mem_mb=megabytes(16000),
        runtime=minutes_of_training(240),
    params:
        launch=options_of("launch", PLAN.config["launch"], PROCESSES),
        staging=options_of("launch", PLAN.config["launch"], STAGING),
        settings=lambda w: PLAN.model_options(w.experiment),
        checkpoints=f"{RESULTS}/checkpoints",
        code=code_hash("tap2key.training.train"),
    # A shell between would die of the signal that asks the training processes for a checkpoint.
    shell:
        "export HF_HUB_OFFLINE=1; exec"
        " python -m tap2key launch {params.launch:q} --threads {threads} -- --fold {input.fold:q}"
        " --datasets {input.datasets:q} {params.settings:q} --seed {wildcards.seed}"
        " --checkpoints {params.checkpoints:q} --output {output:q}"
        " --keyboard {input.keyboard:q} --pretrained {input.pretrained:q}"
        " --searched {input.searched:q}"
        " {params.staging:q} > {log:q} 2>&1"


rule baseline:
    """Fit an experiment's baseline on a fold, without the participant it holds out."""
    input:
        fold=rules.fold.output,
        datasets=lambda w: PLAN.training_datasets(w.experiment, w.fold),
        keyboard=lambda w: PLAN.baseline_keyboard(w.experiment),
        searched=lambda w: PLAN.searched(w.experiment, w.fold, int(w.seed)),
    output:
        directory(f"{RESULTS}/models/{RUN}"),
    log:
        log_of("baseline", RUN),
    benchmark:
        benchmark_of("baseline", RUN)
    wildcard_constraints:
        experiment=among(PLAN.of_kind(baselines=True)),
    conda:
        "../../envs/learning.yaml"
    threads: 4
    resources:
        mem_mb=megabytes(8000),
        runtime=minutes_of_training(60),
    params:
        settings=lambda w: PLAN.model_options(w.experiment),
        checkpoints=f"{RESULTS}/checkpoints",
        code=code_hash("tap2key.training.baseline"),
    shell:
        "python -m tap2key baseline --fold {input.fold:q} --datasets {input.datasets:q}"
        " {params.settings:q} --seed {wildcards.seed} --threads {threads}"
        " --checkpoints {params.checkpoints:q} --keyboard {input.keyboard:q}"
        " --searched {input.searched:q} --output {output:q} > {log:q} 2>&1"
