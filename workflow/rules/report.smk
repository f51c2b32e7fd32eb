"""What surrounds the scores in the report: the study, learning curves, time, settings, versions."""

import snakemake as snakemake_itself


rule overview:
    """List the study's sessions, recordings and channels, and what was left out and why."""
    input:
        recordings=[
            f"{RESULTS}/taps/{participant}/{session}/{name}"
            for participant, session in PLAN.sessions
            for name in ("recordings.tsv", "channels.tsv", "taps.parquet")
        ],
        manifest=ancient(PLAN.manifest),
        passed_over=PLAN.passed_over,
    output:
        tables=multiext(
            f"{RESULTS}/overview/",
            "sessions.tsv",
            "detection.tsv",
            "segmented_recordings.tsv",
            "left_out.tsv",
            "compared_channels.tsv",
            "tap_conditions.parquet",
            "provenance.json",
        ),
        study=shown(
            f"{RESULTS}/overview/sessions.html",
            "study",
            "participants, sessions and recordings",
            **OF_STUDY,
        ),
        detection=shown(
            f"{RESULTS}/overview/detection.html",
            "detection",
            "taps found, missed and invented",
            **OF_STUDY,
        ),
        left_out=shown(
            f"{RESULTS}/overview/left_out.html",
            "left_out",
            "recordings and files left out, and why",
            **OF_STUDY,
        ),
        recordings=shown(
            f"{RESULTS}/overview/segmented_recordings.html",
            "recordings",
            "every recording",
            **OF_SEGMENTATION,
        ),
        channels=shown(
            f"{RESULTS}/overview/compared_channels.html",
            "channels",
            "every channel",
            **OF_SEGMENTATION,
        ),
        picture=shown(
            f"{RESULTS}/overview/compared_channels.png",
            "channels_picture",
            "channels side by side",
            **OF_SEGMENTATION,
        ),
    log:
        log_of("overview"),
    benchmark:
        benchmark_of("overview")
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        folder=subpath(output.study, parent=True),
        results=subpath(input.manifest, parent=True),
        people=PLAN.participants,
        code=code_hash("tap2key.reports.overview"),
    shell:
        "python -m tap2key overview --manifest {input.manifest:q} --participants {params.people:q}"
        " --taps {params.results:q}/taps --passed-over {input.passed_over:q}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule answer:
    """Write the page that the report opens with: the score for unheard people, and what to mind."""
    input:
        experiments=rules.compare.output.table,
        comparisons=rules.compare.output.comparisons,
        summaries=[f"{RESULTS}/summary/{name}/confusion.png" for name in EXPERIMENTS],
        overview=rules.overview.output.tables,
        study=rules.overview.output.study,
        choice=[rules.choose.output.table] if PLAN.candidates else [],
    output:
        page=shown(
            f"{RESULTS}/answer/answer.html",
            "answer",
            "how well for a person never heard",
            **OF_ANSWER,
        ),
        metadata=f"{RESULTS}/answer/metadata.yaml",
        provenance=f"{RESULTS}/answer/provenance.json",
    log:
        log_of("answer"),
    benchmark:
        benchmark_of("answer")
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        folder=subpath(output.page, parent=True),
        overview=subpath(input.study, parent=True),
        summaries=[f"{RESULTS}/summary/{name}" for name in EXPERIMENTS],
        choice=["--choice", rules.choose.output.table] if PLAN.candidates else [],
        simulated=["--simulated"] if PLAN.simulated else [],
        code=code_hash("tap2key.sharing.answer"),
    shell:
        "python -m tap2key answer --experiments {input.experiments:q}"
        " --comparisons {input.comparisons:q} --overview {params.overview:q}"
        " --summaries {params.summaries:q} {params.choice:q} {params.simulated}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule learning_curves:
    """Draw the learning curves of an experiment's networks."""
    input:
        lambda w: PLAN.each_run("models", w.experiment),
    output:
        picture=shown(
            f"{RESULTS}/learning_curves/{{experiment}}/curves.png",
            "learning",
            "learning curves",
            **OF_EXPERIMENT,
        ),
        print=f"{RESULTS}/learning_curves/{{experiment}}/curves.pdf",
        provenance=f"{RESULTS}/learning_curves/{{experiment}}/provenance.json",
    log:
        log_of("learning_curves", "{experiment}"),
    benchmark:
        benchmark_of("learning_curves", "{experiment}")
    wildcard_constraints:
        experiment=among(PLAN.of_kind(baselines=False)),
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        code=code_hash("tap2key.reports.learning_curves"),
    shell:
        "python -m tap2key learning-curves --experiment {wildcards.experiment}"
        " --arguments-from <(printf '%s\\0' --models {input:q})"
        " --output {output.picture:q} > {log:q} 2>&1"


rule record:
    """Write down what the run was: configuration, versions, time and memory."""
    input:
        rules.compare.output.table,
        rules.overview.output.study,
        [rules.choose.output.page] if PLAN.candidates else [],
        [f"{run}/confusion.png" for run in every_run("evaluations", EXPERIMENTS)],
        [f"{RESULTS}/previews/{participant}/{session}" for participant, session in PLAN.sessions],
        [f"{RESULTS}/learning_curves/{name}/curves.png" for name in PLAN.of_kind(baselines=False)],
        [f"{RESULTS}/adaptation/{name}/curve.png" for name in PLAN.adapted],
        [f"{RESULTS}/summary/{name}/text/text_entry.png" for name in TEXTS.experiments],
    output:
        exact=f"{RESULTS}/run/config.yaml",
        tables=multiext(
            f"{RESULTS}/run/",
            "runtime.tsv",
            "config.tsv",
            "versions.tsv",
            "provenance.json",
        ),
        runtime=shown(
            f"{RESULTS}/run/runtime.html",
            "runtime",
            "time and memory of each rule",
            **OF_RECORD,
        ),
        config=shown(f"{RESULTS}/run/config.html", "config", "configuration", **OF_RECORD),
        versions=shown(
            f"{RESULTS}/run/versions.html",
            "versions",
            "code revision and package versions",
            **OF_RECORD,
        ),
    log:
        log_of("record"),
    benchmark:
        benchmark_of("record")
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        folder=subpath(output.config, parent=True),
        benchmarks=f"{RESULTS}/benchmarks",
        config=json.dumps(stated(PLAN.config)),
        snakemake=snakemake_itself.__version__,
        code=code_hash("tap2key.reports.record"),
    # One argument of a program may have 128 KiB, which a hundred experiments exceed.
    shell:
        "printf %s {params.config:q} |"
        " python -m tap2key record --benchmarks {params.benchmarks:q} --config -"
        " --snakemake {params.snakemake} --output {params.folder:q} > {log:q} 2>&1"


# Not `report-after-run` of a profile: that fails after every dry run and every partial run.
onsuccess:
    snakemake_internals.finish(
        workflow, RESULTS, rules.record.output.exact, rules.answer.output.metadata
    )
