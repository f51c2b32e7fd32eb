"""New recordings, without a touch sensor → what was typed, by all of an experiment's models."""


rule predict:
    """Name the keys in new recordings, which have no touches, with all of an experiment's models."""
    input:
        recordings=PLAN.to_declare(NEW_RECORDINGS),
        models=lambda w: PLAN.each_run("models", w.experiment),
        keyboard=PLAN.keyboard,
    output:
        directory(f"{RESULTS}/predictions/{{experiment}}"),
    log:
        log_of("predict", "{experiment}"),
    benchmark:
        benchmark_of("predict", "{experiment}")
    wildcard_constraints:
        experiment=among(PLAN.predicting),
    conda:
        "../../envs/learning.yaml"
    threads: 4
    resources:
        mem_mb=megabytes(PLAN.prediction_mb),
        runtime=minutes(120),
    params:
        recordings=PLAN.config["predict"]["recordings"] or [],
        others=PLAN.other_recordings,
        confidence_threshold=PLAN.config["predict"]["confidence_threshold"],
        code=code_hash("tap2key.reading.predict"),
    shell:
        "python -m tap2key predict --model {input.models:q} --recordings {params.recordings:q}"
        " --keyboard {input.keyboard:q} --confidence-threshold {params.confidence_threshold} --output {output:q}"
        " > {log:q} 2>&1"
