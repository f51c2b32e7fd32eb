"""A simulated study in place of recordings."""


# The truth's provenance is no output: of it the stage knows which files an earlier one made.
rule simulate:
    """Simulate a session: recordings and touches, and apart from them the truth about both."""
    input:
        difficulty=lambda w: PLAN.difficulty,
        text=TEXTS.typed,
    output:
        made=touch(f"{RESULTS}/simulated/made/{{folder}}"),
        truth=multiext(
            f"{RESULTS}/simulated/truth/{{folder}}/", "true_taps.parquet", "true_recordings.tsv"
        ),
    log:
        log_of("simulate", "{folder}"),
    benchmark:
        benchmark_of("simulate", "{folder}")
    wildcard_constraints:
        folder=among(sorted(PLAN.simulated_folders)),
    conda:
        "../../envs/signal.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(PLAN.simulation_mb),
        runtime=minutes(20),
    params:
        options=lambda w: PLAN.simulate_options(w.folder),
        code=code_hash("tap2key.simulation.simulate"),
    shell:
        "python -m tap2key simulate {params.options:q} --threads {threads} > {log:q} 2>&1"
