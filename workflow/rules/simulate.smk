"""A simulated study in place of recordings: one rule per session, since its file names differ."""

for planned in PLAN.simulated:
    study = Path(PLAN.simulated_study) / planned.folder
    truth = Path(PLAN.simulated_truth) / planned.folder

    rule:
        name:
            f"simulate_{planned.participant}_{planned.session}"
        input:
            difficulty=PLAN.difficulty,
        output:
            recordings=[study / "01.acoustic" / r.name for r in planned.recordings],
            touches=study / "02.neonode" / planned.touch_file,
            truth=[truth / name for name in ("taps.parquet", "recordings.tsv", "provenance.json")],
        log:
            f"{RESULTS}/logs/simulate/{planned.folder}.log",
        benchmark:
            f"{RESULTS}/benchmarks/simulate/{planned.folder}.tsv"
        conda:
            "../../envs/signal.yaml"
        threads: 1
        resources:
            mem_mb=megabytes(2000),
            runtime=minutes(20),
        params:
            options=PLAN.simulate_options(planned),
            code=code_hash("tap2key.simulation.simulate"),
        shell:
            "python -m tap2key simulate {params.options:q} --workers {threads} > {log:q} 2>&1"
