"""A few labelled taps of the held-out participant's session → how much better a model gets."""


rule calibrate:
    input:
        model=f"{RESULTS}/models/{{experiment}}/{{fold}}/seed-{{seed}}",
        fold=rules.fold.output,
        training=lambda w: PLAN.training_datasets(w.experiment, w.fold),
        datasets=lambda w: PLAN.tested_datasets(w.experiment, w.fold),
        keyboard=PLAN.keyboard,
    output:
        multiext(
            f"{RESULTS}/calibration/{{experiment}}/{{fold}}/seed-{{seed}}/",
            "calibration.tsv",
            "provenance.json",
        ),
    log:
        f"{RESULTS}/logs/calibrate/{{experiment}}/{{fold}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/calibrate/{{experiment}}/{{fold}}/seed-{{seed}}.tsv"
    wildcard_constraints:
        experiment=among(PLAN.calibrated),
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        folder=subpath(output[0], parent=True),
        taps_per_key=PLAN.config["calibrate"],
        code=code_hash("tap2key.evaluation.calibrate"),
    shell:
        "python -m tap2key calibrate --model {input.model:q} --fold {input.fold:q}"
        " --training {input.training:q} --dataset {input.datasets:q} --keyboard {input.keyboard:q}"
        " --taps-per-key {params.taps_per_key} --output {params.folder:q} > {log:q} 2>&1"


rule calibration_curve:
    input:
        lambda w: [
            f"{folder}/calibration.tsv" for folder in PLAN.each_run("calibration", w.experiment)
        ],
    output:
        tables=multiext(f"{RESULTS}/calibration/{{experiment}}/", "curve.tsv", "provenance.json"),
        picture=report(
            f"{RESULTS}/calibration/{{experiment}}/curve.png",
            caption="../report/calibration.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "calibrated with a few taps"},
        ),
        page=report(
            f"{RESULTS}/calibration/{{experiment}}/curve.html",
            caption="../report/calibration.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "calibrated with a few taps, table"},
        ),
        print=f"{RESULTS}/calibration/{{experiment}}/curve.pdf",
    log:
        f"{RESULTS}/logs/calibration_curve/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/calibration_curve/{{experiment}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        folder=subpath(output.picture, parent=True),
        calibrations=lambda w: PLAN.each_run("calibration", w.experiment),
        code=code_hash("tap2key.reports.calibration_curve"),
    shell:
        "python -m tap2key calibration-curve --experiment {wildcards.experiment}"
        " --calibrations {params.calibrations:q} --output {params.folder:q} > {log:q} 2>&1"
