"""The first taps of a held-out session → how much better a model gets."""


rule adaptation_scores:
    """Measure how much the first taps of a session improve a model on its later ones."""
    input:
        model=f"{RESULTS}/models/{RUN}",
        fold=rules.fold.output,
        datasets=lambda w: PLAN.tested_datasets(w.experiment, w.fold),
        manifest=ancient(PLAN.manifest),
        keyboard=PLAN.keyboard,
    output:
        multiext(
            f"{RESULTS}/adaptation/{RUN}/",
            "adaptation.tsv",
            "provenance.json",
        ),
    log:
        log_of("adaptation_scores", RUN),
    benchmark:
        benchmark_of("adaptation_scores", RUN)
    wildcard_constraints:
        experiment=among(PLAN.adapted),
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        folder=subpath(output[0], parent=True),
        taps_per_key=PLAN.config["adaptation"],
        code=code_hash("tap2key.evaluation.adaptation_scores"),
    shell:
        "python -m tap2key adaptation-scores --model {input.model:q} --fold {input.fold:q}"
        " --test-datasets {input.datasets:q} --manifest {input.manifest:q} --keyboard {input.keyboard:q}"
        " --taps-per-key {params.taps_per_key} --output {params.folder:q} > {log:q} 2>&1"


rule adaptation_curve:
    """Draw an experiment's scores by what its models learned of the session."""
    input:
        lambda w: [
            f"{folder}/adaptation.tsv" for folder in PLAN.each_run("adaptation", w.experiment)
        ],
    output:
        tables=multiext(f"{RESULTS}/adaptation/{{experiment}}/", "curve.tsv", "provenance.json"),
        picture=shown(
            f"{RESULTS}/adaptation/{{experiment}}/curve.png",
            "adaptation",
            "adapted with a few taps",
            **OF_EXPERIMENT,
        ),
        page=shown(
            f"{RESULTS}/adaptation/{{experiment}}/curve.html",
            "adaptation",
            "adapted with a few taps, table",
            **OF_EXPERIMENT,
        ),
        print=f"{RESULTS}/adaptation/{{experiment}}/curve.pdf",
    log:
        log_of("adaptation_curve", "{experiment}"),
    benchmark:
        benchmark_of("adaptation_curve", "{experiment}")
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        folder=subpath(output.picture, parent=True),
        adaptations=lambda w: PLAN.each_run("adaptation", w.experiment),
        code=code_hash("tap2key.reports.adaptation_curve"),
    shell:
        "python -m tap2key adaptation-curve --experiment {wildcards.experiment}"
        " --arguments-from <(printf '%s\\0' --adaptations {params.adaptations:q})"
        " --output {params.folder:q} > {log:q} 2>&1"
