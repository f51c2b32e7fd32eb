"""Taps of a participant → a dataset; datasets → folds."""


rule encode:
    input:
        lambda w: [
            f"{taps}/{name}"
            for taps in PLAN.taps_of(w.participant)
            for name in ("taps.parquet", "windows.npy")
        ],
    output:
        directory(f"{RESULTS}/datasets/{{encoding}}/{{participant}}"),
    log:
        f"{RESULTS}/logs/encode/{{encoding}}/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/encode/{{encoding}}/{{participant}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        taps=lambda w: PLAN.taps_of(w.participant),
        options=lambda w: options.encoding_options(PLAN.encodings[w.encoding]),
        code=code_hash("tap2key.datasets.encode"),
    shell:
        "python -m tap2key encode --taps {params.taps:q} --output {output:q} {params.options:q}"
        " > {log:q} 2>&1"


rule fold:
    input:
        lambda w: PLAN.training_datasets(w.experiment, w.fold),
    output:
        directory(f"{RESULTS}/folds/{{experiment}}/{{fold}}/seed-{{seed}}"),
    log:
        f"{RESULTS}/logs/fold/{{experiment}}/{{fold}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fold/{{experiment}}/{{fold}}/seed-{{seed}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(15),
    params:
        options=lambda w: PLAN.fold_options(w.experiment, w.fold),
        code=code_hash("tap2key.datasets.fold"),
    shell:
        "python -m tap2key fold {params.options:q} --datasets {input:q} --seed {wildcards.seed}"
        " --output {output:q} > {log:q} 2>&1"
