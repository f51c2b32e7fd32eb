"""New recordings, without a touch sensor → what was typed, by all of an experiment's models."""


rule predict:
    """Name the keys in new recordings, which have no touches, with all of an experiment's models."""
    input:
        recordings=PLAN.to_declare(NEW_RECORDINGS),
        models=lambda w: PLAN.each_run("models", w.experiment),
        decoders=lambda w: PLAN.each_run("decoders", w.experiment) if TEXTS.for_new else [],
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
        # In no command, but a change of it runs the job again.
        others=PLAN.other_recordings,
        decoders=lambda w, input: [f"{folder}/{TEXTS.for_new}" for folder in input.decoders],
        options=[
            *options_of("predict", PLAN.config["predict"], NAMING),
            *options_of("segment", PLAN.config["segment"], FINDING),
            *options_of("truth", PLAN.config["truth"], HEARD),
            *PLAN.new_array_options,
        ],
        code=code_hash("tap2key.reading.predict"),
    shell:
        "python -m tap2key predict --arguments-from <(printf '%s\\0' --models {input.models:q})"
        " --recordings {params.recordings:q}"
        " --decoders {params.decoders:q}"
        " --keyboard {input.keyboard:q} {params.options:q} --output {output:q}"
        " > {log:q} 2>&1"
