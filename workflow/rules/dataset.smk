"""Taps of a participant → a dataset; datasets → folds."""


rule encode:
    """Turn a participant's taps into the dataset that models of one encoding read."""
    input:
        lambda w: [
            f"{taps}/{name}"
            for taps in PLAN.taps_of(w.participant)
            for name in ("taps.parquet", "windows.npy")
        ],
    output:
        directory(f"{RESULTS}/datasets/{{encoding}}/{{participant}}"),
    log:
        log_of("encode", "{encoding}/{participant}"),
    benchmark:
        benchmark_of("encode", "{encoding}/{participant}")
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        taps=lambda w: PLAN.taps_of(w.participant),
        options=lambda w: options_of("encoding", PLAN.encodings[w.encoding]),
        code=code_hash("tap2key.datasets.encode"),
    shell:
        "python -m tap2key encode --taps {params.taps:q} --output {output:q} {params.options:q}"
        " > {log:q} 2>&1"


rule fold:
    """Choose a fold's training and validation taps; its held-out participant is no input."""
    input:
        datasets=lambda w: PLAN.training_datasets(w.experiment, w.fold),
        manifest=ancient(PLAN.manifest),
    output:
        directory(f"{RESULTS}/folds/{RUN}"),
    log:
        log_of("fold", RUN),
    benchmark:
        benchmark_of("fold", RUN)
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(15),
    params:
        options=lambda w: PLAN.fold_options(w.experiment, w.fold),
        # In no command, but a change of it runs the job again.
        held=lambda w: PLAN.folds(w.experiment)[w.fold].held,
        code=code_hash("tap2key.datasets.fold"),
    shell:
        "python -m tap2key fold {params.options:q} --datasets {input.datasets:q}"
        " --manifest {input.manifest:q} --seed {wildcards.seed} --output {output:q} > {log:q} 2>&1"
