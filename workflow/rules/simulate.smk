"""A simulated study in place of recordings: one rule per session, since its file names differ."""

for planned in PLAN.simulated:
    study = Path(PLAN.simulated_study) / planned.folder
    truth = Path(PLAN.simulated_truth) / planned.folder

    rule:
        name:
            f"simulate_{planned.participant}_{planned.session}"
        output:
            recordings=[study / "01.acoustic" / r.name for r in planned.recordings],
            touches=study / "02.neonode" / planned.touch_file,
            truth=[truth / "taps.parquet", truth / "recordings.tsv"],
        log:
            f"{RESULTS}/logs/simulate/{planned.folder}.log",
        benchmark:
            f"{RESULTS}/benchmarks/simulate/{planned.folder}.tsv"
        params:
            study=PLAN.simulated_study,
            truth=PLAN.simulated_truth,
            folder=planned.folder,
            options=plan.simulate_options(config["simulate"]),
            code=code_hash("tap2key.simulate.stage"),
        threads: 1
        resources:
            mem_mb=megabytes(2000),
            runtime=minutes(20),
        conda:
            "../../envs/signal.yaml"
        shell:
            "python -m tap2key simulate --study {params.study:q} --truth {params.truth:q}"
            " --only {params.folder:q} --workers {threads} {params.options:q} > {log:q} 2>&1"
