"""A model and the participant it never heard → scores; all of them → tables and pictures."""


rule evaluate:
    """Score a model on the participant it never heard."""
    input:
        model=f"{RESULTS}/models/{RUN}",
        fold=rules.fold.output,
        datasets=lambda w: PLAN.tested_datasets(w.experiment, w.fold),
        keyboard=PLAN.keyboard,
    output:
        predictions=f"{RESULTS}/evaluations/{RUN}/predictions.parquet",
        metrics=f"{RESULTS}/evaluations/{RUN}/metrics.json",
        confusion=f"{RESULTS}/evaluations/{RUN}/confusion.tsv",
        provenance=f"{RESULTS}/evaluations/{RUN}/provenance.json",
    log:
        log_of("evaluate", RUN),
    benchmark:
        benchmark_of("evaluate", RUN)
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        folder=subpath(output.metrics, parent=True),
        code=code_hash("tap2key.evaluation.evaluate"),
    shell:
        "python -m tap2key evaluate --model {input.model:q} --dataset {input.datasets:q}"
        " --fold {input.fold:q} --keyboard {input.keyboard:q} --output {params.folder:q}"
        " > {log:q} 2>&1"


rule draw:
    """Draw an evaluation: confusion matrix, keyboard map and table of keys."""
    input:
        predictions=rules.evaluate.output.predictions,
        metrics=rules.evaluate.output.metrics,
        keyboard=PLAN.keyboard,
    output:
        confusion=shown(
            f"{RESULTS}/evaluations/{RUN}/confusion.png", "confusion", "confusion matrix", **OF_RUN
        ),
        keyboard=shown(
            f"{RESULTS}/evaluations/{RUN}/keyboard.png", "keyboard", "keyboard map", **OF_RUN
        ),
        by_key=shown(f"{RESULTS}/evaluations/{RUN}/keys.html", "keys", "keys", **OF_RUN),
        others=multiext(
            f"{RESULTS}/evaluations/{RUN}/",
            "confusion.pdf",
            "keyboard.pdf",
            "keys.tsv",
        ),
    log:
        log_of("draw", RUN),
    benchmark:
        benchmark_of("draw", RUN)
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(10),
    params:
        code=code_hash("tap2key.reports.draw"),
    shell:
        "python -m tap2key draw --predictions {input.predictions:q} --metrics {input.metrics:q}"
        " --keyboard {input.keyboard:q} --output {output.confusion:q} > {log:q} 2>&1"


rule summarize:
    """Gather an experiment's scores: a row per held-out participant, then the mean."""
    input:
        evaluations=lambda w: [
            f"{folder}/{name}"
            for folder in PLAN.each_run("evaluations", w.experiment)
            for name in ("metrics.json", "predictions.parquet")
        ],
        folds=lambda w: PLAN.each_run("folds", w.experiment),
        keyboard=PLAN.keyboard,
    output:
        participants=shown(
            f"{RESULTS}/summary/{{experiment}}/participants.html",
            "participants",
            "scores of the participants",
            **OF_EXPERIMENT,
        ),
        about=f"{RESULTS}/summary/{{experiment}}/summary.json",
        tables=multiext(
            f"{RESULTS}/summary/{{experiment}}/",
            "participants.tsv",
            "class_counts.tsv",
            "confusion.tsv",
            "keys.tsv",
        ),
        class_counts=shown(
            f"{RESULTS}/summary/{{experiment}}/class_counts.html",
            "class_counts",
            "taps of each key by fold",
            **OF_EXPERIMENT,
        ),
        confusion=shown(
            f"{RESULTS}/summary/{{experiment}}/confusion.png",
            "confusion",
            "confusion matrix",
            **OF_EXPERIMENT,
        ),
        keyboard=shown(
            f"{RESULTS}/summary/{{experiment}}/keyboard.png",
            "keyboard",
            "keyboard map",
            **OF_EXPERIMENT,
        ),
        by_key=shown(f"{RESULTS}/summary/{{experiment}}/keys.html", "keys", "keys", **OF_EXPERIMENT),
        print=multiext(f"{RESULTS}/summary/{{experiment}}/", "confusion.pdf", "keyboard.pdf"),
        provenance=f"{RESULTS}/summary/{{experiment}}/provenance.json",
    log:
        log_of("summarize", "{experiment}"),
    benchmark:
        benchmark_of("summarize", "{experiment}")
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(15),
    params:
        folder=subpath(output.participants, parent=True),
        evaluations=lambda w: PLAN.each_run("evaluations", w.experiment),
        code=code_hash("tap2key.reports.summarize"),
    shell:
        "python -m tap2key summarize --experiment {wildcards.experiment}"
        " --evaluations {params.evaluations:q} --folds {input.folds:q}"
        " --keyboard {input.keyboard:q} --output {params.folder:q} > {log:q} 2>&1"


rule choose:
    """Name the best Wav2Vec2 experiment by validation scores, before held-out ones are known."""
    input:
        # Models, not evaluations: no held-out score can have a say.
        every_run("models", PLAN.candidates),
    output:
        table=f"{RESULTS}/model_selection/validation.tsv",
        page=shown(
            f"{RESULTS}/model_selection/validation.html",
            "choice",
            "choice on validation scores",
            **OF_EXPERIMENTS,
        ),
    log:
        log_of("choose"),
    benchmark:
        benchmark_of("choose")
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        code=code_hash("tap2key.evaluation.choose"),
    shell:
        "python -m tap2key choose --models {input:q} --output {output.table:q} > {log:q} 2>&1"


rule compare:
    """Set the experiments side by side, and test their differences."""
    input:
        [
            f"{RESULTS}/summary/{name}/{file}"
            for name in EXPERIMENTS
            for file in ("participants.tsv", "summary.json")
        ],
    output:
        table=f"{RESULTS}/summary/experiments.tsv",
        differences=f"{RESULTS}/summary/differences.tsv",
        worth=shown(
            f"{RESULTS}/summary/differences.html",
            "differences",
            "differences between experiments",
            **OF_EXPERIMENTS,
        ),
        page=shown(f"{RESULTS}/summary/experiments.html", "experiments", "scores", **OF_EXPERIMENTS),
        picture=shown(
            f"{RESULTS}/summary/experiments.png",
            "compared",
            "participants side by side",
            **OF_EXPERIMENTS,
        ),
        print=f"{RESULTS}/summary/experiments.pdf",
    log:
        log_of("compare"),
    benchmark:
        benchmark_of("compare")
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        summaries=[f"{RESULTS}/summary/{name}" for name in EXPERIMENTS],
        benchmarks=PLAN.training_benchmarks,
        code=code_hash("tap2key.reports.compare"),
    shell:
        "python -m tap2key compare --summaries {params.summaries:q}"
        " --benchmarks {params.benchmarks:q} --output {output.table:q} > {log:q} 2>&1"
