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
        "python -m tap2key evaluate --model {input.model:q} --datasets {input.datasets:q}"
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
        # Of all sessions in two files, for each experiment's edges to the sessions would be many.
        overview=multiext(
            f"{RESULTS}/overview/", "segmented_recordings.tsv", "tap_conditions.parquet"
        ),
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
            "folds.tsv",
            "folds.html",
            "conditions.tsv",
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
        conditions=shown(
            f"{RESULTS}/summary/{{experiment}}/conditions.png",
            "conditions",
            "accuracy by condition",
            **OF_EXPERIMENT,
        ),
        by_condition=shown(
            f"{RESULTS}/summary/{{experiment}}/conditions.html",
            "conditions",
            "accuracy by condition, table",
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
        print=multiext(
            f"{RESULTS}/summary/{{experiment}}/", "conditions.pdf", "confusion.pdf", "keyboard.pdf"
        ),
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
        overview=lambda w, input: Path(input.overview[0]).parent,
        evaluations=lambda w: PLAN.each_run("evaluations", w.experiment),
        code=code_hash("tap2key.reports.summarize"),
    # printf is the shell's own: no command line is so long as thousands of folds make it.
    shell:
        "python -m tap2key summarize --experiment {wildcards.experiment}"
        " --arguments-from <(printf '%s\\0' --evaluations {params.evaluations:q}"
        " --folds {input.folds:q})"
        " --overview {params.overview:q} --keyboard {input.keyboard:q}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule choose:
    """Name the best experiment by validation scores, before held-out ones are known."""
    input:
        # Models, not evaluations: no held-out score can have a say.
        every_run("models", PLAN.candidates),
    output:
        table=f"{RESULTS}/model_selection/validation.tsv",
        provenance=f"{RESULTS}/model_selection/provenance.json",
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
        "python -m tap2key choose --arguments-from <(printf '%s\\0' --models {input:q})"
        " --output {output.table:q} > {log:q} 2>&1"


rule compare:
    """Set the experiments side by side, and test the differences that were named beforehand."""
    input:
        summaries=[
            f"{RESULTS}/summary/{name}/{file}"
            for name in EXPERIMENTS
            for file in ("participants.tsv", "summary.json")
        ],
        choice=[rules.choose.output.table] if PLAN.candidates else [],
    output:
        table=f"{RESULTS}/summary/experiments.tsv",
        comparisons=f"{RESULTS}/summary/comparisons.tsv",
        tested=shown(
            f"{RESULTS}/summary/comparisons.html",
            "comparisons",
            "comparisons named beforehand",
            **OF_EXPERIMENTS,
        ),
        intervals=shown(
            f"{RESULTS}/summary/comparisons.png",
            "intervals",
            "differences and what is practically nil",
            **OF_EXPERIMENTS,
        ),
        differences=f"{RESULTS}/summary/differences.tsv",
        worth=shown(
            f"{RESULTS}/summary/differences.html",
            "differences",
            "all differences, to explore",
            **OF_EXPERIMENTS,
        ),
        page=shown(f"{RESULTS}/summary/experiments.html", "experiments", "scores", **OF_EXPERIMENTS),
        picture=shown(
            f"{RESULTS}/summary/experiments.png",
            "compared",
            "participants side by side",
            **OF_EXPERIMENTS,
        ),
        print=multiext(f"{RESULTS}/summary/", "experiments.pdf", "comparisons.pdf"),
        provenance=f"{RESULTS}/summary/provenance.json",
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
        comparisons=json.dumps(COMPARISONS),
        options=options_of("comparisons", PLAN.config["comparisons"], ["equivalence"]),
        code=code_hash("tap2key.reports.compare"),
    shell:
        "python -m tap2key compare --summaries {params.summaries:q}"
        " --arguments-from <(printf '%s\\0' --benchmarks {params.benchmarks:q})"
        " --comparisons {params.comparisons:q} --choice {input.choice:q} {params.options:q}"
        " --output {output.table:q} > {log:q} 2>&1"


rule cards:
    """Write a model card into the folder of each of an experiment's models, held-out scores in it."""
    input:
        models=lambda w: PLAN.each_run("models", w.experiment),
        evaluations=lambda w: [
            f"{folder}/metrics.json" for folder in PLAN.each_run("evaluations", w.experiment)
        ],
        summary=rules.summarize.output.about,
    output:
        multiext(f"{RESULTS}/cards/{{experiment}}/", "cards.tsv", "provenance.json"),
    log:
        log_of("cards", "{experiment}"),
    benchmark:
        benchmark_of("cards", "{experiment}")
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        folder=subpath(output[0], parent=True),
        evaluations=lambda w: PLAN.each_run("evaluations", w.experiment),
        summary=subpath(input.summary, parent=True),
        simulated=["--simulated"] if PLAN.simulated else [],
        code=code_hash("tap2key.sharing.cards"),
    shell:
        "python -m tap2key cards"
        " --arguments-from <(printf '%s\\0' --models {input.models:q}"
        " --evaluations {params.evaluations:q})"
        " --summary {params.summary:q} {params.simulated} --output {params.folder:q} > {log:q} 2>&1"
