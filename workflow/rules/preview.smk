"""Taps of a session → a picture of each recording, by which a person can judge them."""


rule preview:
    """Draw each recording of a session: its taps, touches, thresholds and clock."""
    input:
        manifest=ancient(PLAN.manifest),
        session=lambda w: PLAN.files_of(w.participant, w.session),
        keyboard=PLAN.keyboard,
        taps=rules.segment.output.taps,
        audit=rules.segment.output.recordings,
    output:
        shown(
            directory(f"{RESULTS}/previews/{SESSION}"),
            "preview",
            "{recording}",
            patterns=["{recording}.png"],
            **OF_SESSION,
        ),
    log:
        log_of("preview", SESSION),
    benchmark:
        benchmark_of("preview", SESSION)
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(20),
    params:
        taps=subpath(input.taps, parent=True),
        options=lambda w: PLAN.segment_options(w.participant, w.session),
        code=code_hash("tap2key.segmentation.preview"),
    shell:
        "python -m tap2key preview --manifest {input.manifest:q} --keyboard {input.keyboard:q}"
        " --participant {wildcards.participant:q} --session {wildcards.session:q}"
        " --taps {params.taps:q} --output {output:q} {params.options:q} > {log:q} 2>&1"
