"""Recordings and touches of a session → taps, labelled by time."""


rule segment:
    input:
        manifest=ancient(PLAN.manifest),
        session=files_of_session,
        keyboard=PLAN.keyboard,
    output:
        taps=f"{RESULTS}/taps/{{participant}}/{{session}}/taps.parquet",
        windows=f"{RESULTS}/taps/{{participant}}/{{session}}/windows.npy",
        recordings=f"{RESULTS}/taps/{{participant}}/{{session}}/recordings.tsv",
        channels=f"{RESULTS}/taps/{{participant}}/{{session}}/channels.tsv",
        provenance=f"{RESULTS}/taps/{{participant}}/{{session}}/provenance.json",
    log:
        f"{RESULTS}/logs/segment/{{participant}}/{{session}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/segment/{{participant}}/{{session}}.tsv"
    conda:
        "../../envs/signal.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(30),
    params:
        folder=subpath(output.taps, parent=True),
        options=options.segment_options(PLAN.config["segment"]),
        told=told_of_session,
        code=code_hash("tap2key.segmentation.segment"),
    shell:
        "python -m tap2key segment --manifest {input.manifest:q} --keyboard {input.keyboard:q}"
        " --participant {wildcards.participant:q} --session {wildcards.session:q}"
        " --output {params.folder:q} --threads {threads} {params.options:q} > {log:q} 2>&1"
