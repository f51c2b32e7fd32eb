"""The same jobs and edges as tap2key with one baseline experiment, and nothing else.

No parameters, resources, logs, benchmarks, environments or configuration: what Snakemake itself
takes for a graph of this size. With `--config files=all` the many jobs read and write as many files
as in tap2key; otherwise each job writes one.
"""

from pathlib import Path

SESSIONS = [session.relative_to("study") for session in sorted(Path("study").glob("*/*"))]
PEOPLE = sorted({session.parts[0] for session in SESSIONS})
OF_PERSON = {person: [] for person in PEOPLE}
for session in SESSIONS:
    OF_PERSON[session.parts[0]].append(session.parts[1])
ALL_FILES = config.get("files") == "all"
EVALUATION = ("json", "parquet", "confusion.tsv", "provenance.json")
DRAWN = (
    *("confusion.png", "keyboard.png", "keys.html"),
    *("confusion.pdf", "keyboard.pdf", "keys.tsv"),
)
TAPS = ("parquet", "npy") if ALL_FILES else ("parquet",)
AUDIT = "tsv" if ALL_FILES else "parquet"


rule all:
    input:
        "bare/experiments.tsv",
        "bare/record.tsv",
        [f"bare/models/{p}.onnx" for p in PEOPLE],


rule segment:
    input:
        "study/{participant}/{session}/01.acoustic/13.05.22.123_01_27_2023.wav",
        "study/{participant}/{session}/02.neonode/13.00.00_01_27_2023_nnode.csv",
        ["manifest.tsv", "keyboard.csv"] if ALL_FILES else [],
    output:
        "bare/taps/{participant}/{session}.parquet",
        [f"bare/taps/{{participant}}/{{session}}.{end}" for end in ("npy", "tsv", "json")]
        if ALL_FILES
        else [],
    shell:
        "cat {input} > {output[0]}"


rule preview:
    input:
        "study/{participant}/{session}/01.acoustic/13.05.22.123_01_27_2023.wav",
        "study/{participant}/{session}/02.neonode/13.00.00_01_27_2023_nnode.csv",
        [f"bare/taps/{{participant}}/{{session}}.{end}" for end in {*TAPS, AUDIT} - {"npy"}],
        ["manifest.tsv", "keyboard.csv"] if ALL_FILES else [],
    output:
        "bare/previews/{participant}/{session}.png",
    shell:
        "cat {input} > {output}"


rule encode:
    input:
        lambda w: [
            f"bare/taps/{w.participant}/{s}.{end}"
            for s in OF_PERSON[w.participant]
            for end in TAPS
        ],
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
        [
            f"bare/evaluations/{{participant}}.{end}"
            for end in (EVALUATION if ALL_FILES else EVALUATION[:1])
        ],
    shell:
        "cat {input} > {output[0]}"


rule draw:
    input:
        [f"bare/evaluations/{{participant}}.{end}" for end in EVALUATION[: 1 + ALL_FILES]],
    output:
        [f"bare/evaluations/{{participant}}.{end}" for end in (DRAWN if ALL_FILES else DRAWN[:1])],
    shell:
        "cat {input} > {output[0]}"


rule calibrate:
    input:
        "bare/models/{participant}.onnx",
        "bare/folds/{participant}.parquet",
        [f"bare/datasets/{p}.arrow" for p in PEOPLE],
    output:
        [f"bare/calibrations/{{participant}}.{end}" for end in ("tsv", "json")[: 1 + ALL_FILES]],
    shell:
        "cat {input} > {output[0]}"


rule calibration_curve:
    input:
        [f"bare/calibrations/{p}.tsv" for p in PEOPLE],
    output:
        "bare/curve.png",
    shell:
        "cat {input} > {output}"


rule summarize:
    input:
        [f"bare/evaluations/{p}.json" for p in PEOPLE],
        [f"bare/folds/{p}.parquet" for p in PEOPLE],
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
        [f"bare/taps/{session}.{AUDIT}" for session in SESSIONS],
    output:
        "bare/overview.tsv",
    shell:
        "cat {input} > {output}"


rule record:
    input:
        "bare/experiments.tsv",
        "bare/overview.tsv",
        "bare/curve.png",
        [f"bare/evaluations/{p}.confusion.png" for p in PEOPLE],
        [f"bare/previews/{session}.png" for session in SESSIONS],
    output:
        "bare/record.tsv",
    shell:
        "cat {input} > {output}"
