"""What surrounds the scores in the report: the study, learning curves, time, settings, versions."""

import snakemake as snakemake_itself


rule overview:
    input:
        recordings=[
            f"{RESULTS}/taps/{participant}/{session}/{name}.tsv"
            for participant, session in PLAN.sessions
            for name in ("recordings", "channels")
        ],
        manifest=ancient(PLAN.manifest),
        passed_over=PLAN.passed_over,
    output:
        tables=multiext(
            f"{RESULTS}/overview/",
            "sessions.tsv",
            "recordings.tsv",
            "left_out.tsv",
            "channels.tsv",
            "provenance.json",
        ),
        study=report(
            f"{RESULTS}/overview/sessions.html",
            caption="../report/study.rst",
            category="Study",
            labels={"what": "participants, sessions and recordings"},
        ),
        left_out=report(
            f"{RESULTS}/overview/left_out.html",
            caption="../report/left_out.rst",
            category="Study",
            labels={"what": "recordings and files left out, and why"},
        ),
        recordings=report(
            f"{RESULTS}/overview/recordings.html",
            caption="../report/recordings.rst",
            category="Segmentation",
            subcategory="all",
            labels={"what": "every recording"},
        ),
        channels=report(
            f"{RESULTS}/overview/channels.html",
            caption="../report/channels.rst",
            category="Segmentation",
            subcategory="all",
            labels={"what": "every channel"},
        ),
        picture=report(
            f"{RESULTS}/overview/channels.png",
            caption="../report/channels_picture.rst",
            category="Segmentation",
            subcategory="all",
            labels={"what": "channels side by side"},
        ),
    log:
        f"{RESULTS}/logs/overview.log",
    benchmark:
        f"{RESULTS}/benchmarks/overview.tsv"
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


rule curves:
    input:
        lambda w: PLAN.each_run("models", w.experiment),
    output:
        picture=report(
            f"{RESULTS}/learning/{{experiment}}/curves.png",
            caption="../report/learning.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "learning curves"},
        ),
        print=f"{RESULTS}/learning/{{experiment}}/curves.pdf",
    log:
        f"{RESULTS}/logs/curves/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/curves/{{experiment}}.tsv"
    wildcard_constraints:
        experiment=among(PLAN.of_kind(forests=False)),
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        code=code_hash("tap2key.reports.curves"),
    shell:
        "python -m tap2key curves --experiment {wildcards.experiment} --models {input:q}"
        " --output {output.picture:q} > {log:q} 2>&1"


rule record:
    input:
        rules.compare.output.table,
        rules.overview.output.study,
        [rules.choose.output.page] if PLAN.candidates else [],
        [f"{RESULTS}/previews/{participant}/{session}" for participant, session in PLAN.sessions],
        [f"{RESULTS}/learning/{name}/curves.png" for name in PLAN.of_kind(forests=False)],
        [f"{RESULTS}/calibration/{name}/curve.png" for name in PLAN.calibrated],
    output:
        exact=f"{RESULTS}/record/config.yaml",
        tables=multiext(
            f"{RESULTS}/record/",
            "runtime.tsv",
            "config.tsv",
            "versions.tsv",
            "provenance.json",
        ),
        runtime=report(
            f"{RESULTS}/record/runtime.html",
            caption="../report/runtime.rst",
            category="Run",
            labels={"what": "time and memory of each rule"},
        ),
        config=report(
            f"{RESULTS}/record/config.html",
            caption="../report/config.rst",
            category="Run",
            labels={"what": "configuration"},
        ),
        versions=report(
            f"{RESULTS}/record/versions.html",
            caption="../report/versions.rst",
            category="Run",
            labels={"what": "code revision and package versions"},
        ),
    log:
        f"{RESULTS}/logs/record.log",
    benchmark:
        f"{RESULTS}/benchmarks/record.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        folder=subpath(output.config, parent=True),
        benchmarks=f"{RESULTS}/benchmarks",
        config=json.dumps(PLAN.config),
        snakemake=snakemake_itself.__version__,
        code=code_hash("tap2key.reports.record"),
    # One argument of a program may have 128 KiB, which a hundred experiments exceed.
    shell:
        "printf %s {params.config:q} |"
        " python -m tap2key record --benchmarks {params.benchmarks:q} --config -"
        " --snakemake {params.snakemake} --output {params.folder:q} > {log:q} 2>&1"


# Not `report-after-run` of a profile: that fails after every dry run and every partial run.
onsuccess:
    if Path(rules.record.output.exact).is_file():
        shell(
            "python -m snakemake --snakefile {workflow.main_snakefile:q} --nolock --quiet rules progress"
            " --configfile {rules.record.output.exact:q} --report {RESULTS:q}/report.html"
            " || echo 'The report could not be made; see above.'"
        )
