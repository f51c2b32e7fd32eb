"""The same jobs and edges as tap2key with one baseline experiment, and nothing else.

No parameters, resources, logs, benchmarks, environments or configuration: what Snakemake itself
takes for a graph of this size. Each job has one output.
"""

from pathlib import Path

SESSIONS = [session.relative_to("study") for session in sorted(Path("study").glob("*/*"))]
PEOPLE = sorted({session.parts[0] for session in SESSIONS})
OF_PERSON = {person: [] for person in PEOPLE}
for session in SESSIONS:
    OF_PERSON[session.parts[0]].append(session.parts[1])


rule all:
    input:
        "bare/experiments.tsv",
        "bare/record.tsv",


rule segment:
    input:
        "study/{participant}/{session}/01.acoustic/13.05.22.123_01_27_2023.wav",
        "study/{participant}/{session}/02.neonode/13.00.00_01_27_2023_nnode.csv",
    output:
        "bare/taps/{participant}/{session}.parquet",
    shell:
        "cat {input} > {output}"


rule encode:
    input:
        lambda w: [f"bare/taps/{w.participant}/{s}.parquet" for s in OF_PERSON[w.participant]],
    output:
        "bare/datasets/{participant}.arrow",
    shell:
        "cat {input} > {output}"


rule fold:
    input:
        lambda w: [f"bare/datasets/{p}.arrow" for p in PEOPLE if p != w.participant],
    output:
        "bare/folds/{participant}.parquet",
    shell:
        "cat {input} > {output}"


rule baseline:
    input:
        "bare/folds/{participant}.parquet",
        lambda w: [f"bare/datasets/{p}.arrow" for p in PEOPLE if p != w.participant],
    output:
        "bare/models/{participant}.onnx",
    shell:
        "cat {input} > {output}"


rule evaluate:
    input:
        "bare/models/{participant}.onnx",
        "bare/folds/{participant}.parquet",
        "bare/datasets/{participant}.arrow",
    output:
        "bare/evaluations/{participant}.json",
    shell:
        "cat {input} > {output}"


rule summarize:
    input:
        [f"bare/evaluations/{p}.json" for p in PEOPLE],
    output:
        "bare/summary.tsv",
    shell:
        "cat {input} > {output}"


rule compare:
    input:
        "bare/summary.tsv",
    output:
        "bare/experiments.tsv",
    shell:
        "cat {input} > {output}"


rule overview:
    input:
        [f"bare/taps/{session}.parquet" for session in SESSIONS],
    output:
        "bare/overview.tsv",
    shell:
        "cat {input} > {output}"


rule record:
    input:
        "bare/experiments.tsv",
        "bare/overview.tsv",
    output:
        "bare/record.tsv",
    shell:
        "cat {input} > {output}"
