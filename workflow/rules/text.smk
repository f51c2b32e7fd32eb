"""Taps → text: decoders of every model, held-out people's text, and how well it is read."""


rule fit_decoder:
    """Choose what each language model weighs beside a model's taps, on validation people."""
    input:
        model=f"{RESULTS}/models/{RUN}",
        # Not the taps, of every session for every fold: the model comes after them all.
        fold=rules.fold.output,
        texts=TEXTS.declared,
        corpus=TEXTS.corpus,
        keyboard=PLAN.keyboard,
    output:
        directory(f"{RESULTS}/decoders/{RUN}"),
    log:
        log_of("fit_decoder", RUN),
    benchmark:
        benchmark_of("fit_decoder", RUN)
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        taps=lambda w: PLAN.training_taps(w.experiment, w.fold),
        texts=TEXTS.tables,
        options=TEXTS.options,
        code=code_hash("tap2key.decoding.fit_decoder"),
    shell:
        "python -m tap2key fit-decoder --model {input.model:q} --fold {input.fold:q}"
        " --arguments-from <(printf '%s\\0' --taps {params.taps:q})"
        " --texts {params.texts:q} --keyboard {input.keyboard:q}"
        " {params.options:q} --output {output:q} > {log:q} 2>&1"


rule decode:
    """Read held-out people's recordings whose text is known, with every language model."""
    input:
        model=f"{RESULTS}/models/{RUN}",
        decoders=rules.fit_decoder.output,
        taps=lambda w: [
            f"{taps}/{name}"
            for taps in PLAN.tested_taps(w.experiment, w.fold)
            for name in ("taps.parquet", "windows.npy")
        ],
        texts=TEXTS.declared,
        keyboard=PLAN.keyboard,
    output:
        directory(f"{RESULTS}/decoded/{RUN}"),
    log:
        log_of("decode", RUN),
    benchmark:
        benchmark_of("decode", RUN)
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        taps=lambda w: PLAN.tested_taps(w.experiment, w.fold),
        decoders=lambda w, input: [f"{input.decoders}/{name}" for name in TEXTS.compared],
        texts=TEXTS.tables,
        code=code_hash("tap2key.decoding.decode"),
    shell:
        "python -m tap2key decode --model {input.model:q} --decoders {params.decoders:q}"
        " --arguments-from <(printf '%s\\0' --taps {params.taps:q})"
        " --texts {params.texts:q} --keyboard {input.keyboard:q}"
        " --output {output:q} > {log:q} 2>&1"


rule summarize_text:
    """Gather an experiment's text entry, before and after decoding, and align it with the texts."""
    input:
        lambda w: PLAN.each_run("decoded", w.experiment),
    output:
        page=shown(
            f"{RESULTS}/summary/{{experiment}}/text/text_entry.html",
            "text_entry",
            "text entry",
            **OF_EXPERIMENT,
        ),
        picture=shown(
            f"{RESULTS}/summary/{{experiment}}/text/text_entry.png",
            "text_entry",
            "character errors",
            **OF_EXPERIMENT,
        ),
        alignment=shown(
            f"{RESULTS}/summary/{{experiment}}/text/alignment.html",
            "alignment",
            "asked, typed, heard, decoded",
            **OF_EXPERIMENT,
        ),
        others=multiext(
            f"{RESULTS}/summary/{{experiment}}/text/",
            "text_entry.tsv",
            "text_entry.pdf",
            "provenance.json",
        ),
    log:
        log_of("summarize_text", "{experiment}"),
    benchmark:
        benchmark_of("summarize_text", "{experiment}")
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        folder=subpath(output.page, parent=True),
        code=code_hash("tap2key.reports.summarize_text"),
    shell:
        "python -m tap2key summarize-text --experiment {wildcards.experiment}"
        " --arguments-from <(printf '%s\\0' --decoded {input:q})"
        " --output {params.folder:q} > {log:q} 2>&1"
