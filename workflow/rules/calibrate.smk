"""A few labelled taps of the held-out participant's session → how much better a model gets."""


rule calibrate:
    """Measure how much a few labelled taps of the held-out participant improve a model."""
    input:
        model=f"{RESULTS}/models/{RUN}",
        fold=rules.fold.output,
        training=lambda w: PLAN.training_datasets(w.experiment, w.fold),
        datasets=lambda w: PLAN.tested_datasets(w.experiment, w.fold),
        keyboard=PLAN.keyboard,
    output:
        multiext(
            f"{RESULTS}/calibration/{RUN}/",
            "calibration.tsv",
            "provenance.json",
        ),
    log:
        log_of("calibrate", RUN),
    benchmark:
        benchmark_of("calibrate", RUN)
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
    """Draw an experiment's scores over the number of labelled taps per key."""
    input:
        lambda w: [
            f"{folder}/calibration.tsv" for folder in PLAN.each_run("calibration", w.experiment)
        ],
    output:
        tables=multiext(f"{RESULTS}/calibration/{{experiment}}/", "curve.tsv", "provenance.json"),
        picture=shown(
            f"{RESULTS}/calibration/{{experiment}}/curve.png",
            "calibration",
            "calibrated with a few taps",
            **OF_EXPERIMENT,
        ),
        page=shown(
            f"{RESULTS}/calibration/{{experiment}}/curve.html",
            "calibration",
            "calibrated with a few taps, table",
            **OF_EXPERIMENT,
        ),
        print=f"{RESULTS}/calibration/{{experiment}}/curve.pdf",
    log:
        log_of("calibration_curve", "{experiment}"),
    benchmark:
        benchmark_of("calibration_curve", "{experiment}")
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
