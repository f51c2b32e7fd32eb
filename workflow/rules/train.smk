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
    output:
        directory(f"{RESULTS}/models/{RUN}"),
    log:
        log_of("train", RUN),
    benchmark:
        benchmark_of("train", RUN)
    wildcard_constraints:
        experiment=among(PLAN.of_kind(forests=False)),
    conda:
        f"../../envs/{options.training_environment(PLAN.config['launch'])}"
    threads: 8
    resources:
        **options.launch_resources(PLAN.config["launch"]),
        mem_mb=megabytes(16000),
        runtime=minutes(240),
    params:
        stage_to=PLAN.config["launch"]["stage_to"] or [],
        launch=options.launch_options(PLAN.config["launch"]),
        settings=lambda w: json.dumps(PLAN.model_settings(w.experiment)),
        checkpoints=f"{RESULTS}/checkpoints",
        code=code_hash("tap2key.training.train"),
    # A shell between would die of the signal that asks the training processes for a checkpoint.
    shell:
        "export HF_HUB_OFFLINE=1; exec"
        " python -m tap2key launch {params.launch} --threads {threads} -- --fold {input.fold:q}"
        " --datasets {input.datasets:q} --settings {params.settings:q} --seed {wildcards.seed}"
        " --checkpoints {params.checkpoints:q} --output {output:q}"
        " --keyboard {input.keyboard:q} --pretrained {input.pretrained:q}"
        " --stage-to {params.stage_to:q} > {log:q} 2>&1"


rule baseline:
    """Fit an experiment's forest on a fold, without the participant it holds out."""
    input:
        fold=rules.fold.output,
        datasets=lambda w: PLAN.training_datasets(w.experiment, w.fold),
    output:
        directory(f"{RESULTS}/models/{RUN}"),
    log:
        log_of("baseline", RUN),
    benchmark:
        benchmark_of("baseline", RUN)
    wildcard_constraints:
        experiment=among(PLAN.of_kind(forests=True)),
    conda:
        "../../envs/learning.yaml"
    threads: 4
    resources:
        mem_mb=megabytes(8000),
        runtime=minutes(60),
    params:
        settings=lambda w: json.dumps(PLAN.model_settings(w.experiment)),
        code=code_hash("tap2key.training.baseline"),
    shell:
        "python -m tap2key baseline --fold {input.fold:q} --datasets {input.datasets:q}"
        " --settings {params.settings:q} --seed {wildcards.seed} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"
