"""Recordings and touches of a session → taps, labelled by time."""


rule segment:
    """Find the taps in a session's recordings and label them by the touches."""
    input:
        manifest=ancient(PLAN.manifest),
        session=lambda w: PLAN.files_of(w.participant, w.session),
        keyboard=PLAN.keyboard,
    output:
        taps=f"{RESULTS}/taps/{SESSION}/taps.parquet",
        windows=f"{RESULTS}/taps/{SESSION}/windows.npy",
        recordings=f"{RESULTS}/taps/{SESSION}/recordings.tsv",
        channels=f"{RESULTS}/taps/{SESSION}/channels.tsv",
        provenance=f"{RESULTS}/taps/{SESSION}/provenance.json",
    log:
        log_of("segment", SESSION),
    benchmark:
        benchmark_of("segment", SESSION)
    conda:
        "../../envs/signal.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(30),
    params:
        folder=subpath(output.taps, parent=True),
        options=lambda w: PLAN.segment_options(w.participant, w.session),
        # In no command, but a change of it runs the job again.
        declared=lambda w: PLAN.stated_of(w.participant, w.session),
        code=code_hash("tap2key.segmentation.segment"),
    shell:
        "python -m tap2key segment --manifest {input.manifest:q} --keyboard {input.keyboard:q}"
        " --participant {wildcards.participant:q} --session {wildcards.session:q}"
        " --output {params.folder:q} --threads {threads} {params.options:q} > {log:q} 2>&1"
