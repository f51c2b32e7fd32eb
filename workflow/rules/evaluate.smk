"""A model and the participant it never heard → scores; all of them → tables and pictures."""


rule evaluate:
    input:
        model=f"{RESULTS}/models/{{experiment}}/{{fold}}/seed-{{seed}}",
        fold=rules.fold.output,
        datasets=lambda w: PLAN.tested_datasets(w.experiment, w.fold),
        keyboard=PLAN.keyboard,
    output:
        predictions=f"{RESULTS}/evaluations/{{experiment}}/{{fold}}/seed-{{seed}}/predictions.parquet",
        metrics=f"{RESULTS}/evaluations/{{experiment}}/{{fold}}/seed-{{seed}}/metrics.json",
        confusion=f"{RESULTS}/evaluations/{{experiment}}/{{fold}}/seed-{{seed}}/confusion.tsv",
        provenance=f"{RESULTS}/evaluations/{{experiment}}/{{fold}}/seed-{{seed}}/provenance.json",
    log:
        f"{RESULTS}/logs/evaluate/{{experiment}}/{{fold}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{experiment}}/{{fold}}/seed-{{seed}}.tsv"
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
    input:
        predictions=rules.evaluate.output.predictions,
        metrics=rules.evaluate.output.metrics,
        keyboard=PLAN.keyboard,
    output:
        confusion=report(
            f"{RESULTS}/evaluations/{{experiment}}/{{fold}}/seed-{{seed}}/confusion.png",
            caption="../report/confusion.rst",
            category="Participants",
            subcategory="{fold}",
            labels={
                "experiment": "{experiment}",
                "fold": "{fold}",
                "seed": "{seed}",
                "what": "confusion matrix",
            },
        ),
        keyboard=report(
            f"{RESULTS}/evaluations/{{experiment}}/{{fold}}/seed-{{seed}}/keyboard.png",
            caption="../report/keyboard.rst",
            category="Participants",
            subcategory="{fold}",
            labels={
                "experiment": "{experiment}",
                "fold": "{fold}",
                "seed": "{seed}",
                "what": "keyboard map",
            },
        ),
        by_key=report(
            f"{RESULTS}/evaluations/{{experiment}}/{{fold}}/seed-{{seed}}/keys.html",
            caption="../report/keys.rst",
            category="Participants",
            subcategory="{fold}",
            labels={
                "experiment": "{experiment}",
                "fold": "{fold}",
                "seed": "{seed}",
                "what": "keys",
            },
        ),
        others=multiext(
            f"{RESULTS}/evaluations/{{experiment}}/{{fold}}/seed-{{seed}}/",
            "confusion.pdf",
            "keyboard.pdf",
            "keys.tsv",
        ),
    log:
        f"{RESULTS}/logs/draw/{{experiment}}/{{fold}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/draw/{{experiment}}/{{fold}}/seed-{{seed}}.tsv"
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
    input:
        evaluations=lambda w: [
            f"{folder}/{name}"
            for folder in PLAN.each_run("evaluations", w.experiment)
            for name in ("metrics.json", "predictions.parquet")
        ],
        folds=lambda w: PLAN.each_run("folds", w.experiment),
        keyboard=PLAN.keyboard,
    output:
        participants=report(
            f"{RESULTS}/summary/{{experiment}}/participants.html",
            caption="../report/participants.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "scores of the participants"},
        ),
        about=f"{RESULTS}/summary/{{experiment}}/summary.json",
        tables=multiext(
            f"{RESULTS}/summary/{{experiment}}/",
            "participants.tsv",
            "class_counts.tsv",
            "confusion.tsv",
            "keys.tsv",
        ),
        class_counts=report(
            f"{RESULTS}/summary/{{experiment}}/class_counts.html",
            caption="../report/class_counts.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "taps of each key by fold"},
        ),
        confusion=report(
            f"{RESULTS}/summary/{{experiment}}/confusion.png",
            caption="../report/confusion.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "confusion matrix"},
        ),
        keyboard=report(
            f"{RESULTS}/summary/{{experiment}}/keyboard.png",
            caption="../report/keyboard.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "keyboard map"},
        ),
        by_key=report(
            f"{RESULTS}/summary/{{experiment}}/keys.html",
            caption="../report/keys.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "keys"},
        ),
        print=multiext(f"{RESULTS}/summary/{{experiment}}/", "confusion.pdf", "keyboard.pdf"),
        provenance=f"{RESULTS}/summary/{{experiment}}/provenance.json",
    log:
        f"{RESULTS}/logs/summarize/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/summarize/{{experiment}}.tsv"
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


# Reads models, not evaluations: the choice is made before a held-out score is known.
rule choose:
    input:
        [model for name in PLAN.candidates for model in PLAN.each_run("models", name)],
    output:
        table=f"{RESULTS}/choice/validation.tsv",
        page=report(
            f"{RESULTS}/choice/validation.html",
            caption="../report/choice.rst",
            category="Experiments",
            subcategory="all",
            labels={"what": "choice on validation scores"},
        ),
    log:
        f"{RESULTS}/logs/choose.log",
    benchmark:
        f"{RESULTS}/benchmarks/choose.tsv"
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
    input:
        [
            f"{RESULTS}/summary/{name}/{file}"
            for name in EXPERIMENTS
            for file in ("participants.tsv", "summary.json")
        ],
    output:
        table=f"{RESULTS}/summary/experiments.tsv",
        differences=f"{RESULTS}/summary/differences.tsv",
        worth=report(
            f"{RESULTS}/summary/differences.html",
            caption="../report/differences.rst",
            category="Experiments",
            subcategory="all",
            labels={"what": "differences between experiments"},
        ),
        page=report(
            f"{RESULTS}/summary/experiments.html",
            caption="../report/experiments.rst",
            category="Experiments",
            subcategory="all",
            labels={"what": "scores"},
        ),
        picture=report(
            f"{RESULTS}/summary/experiments.png",
            caption="../report/compared.rst",
            category="Experiments",
            subcategory="all",
            labels={"what": "participants side by side"},
        ),
        print=f"{RESULTS}/summary/experiments.pdf",
    log:
        f"{RESULTS}/logs/compare.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare.tsv"
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
