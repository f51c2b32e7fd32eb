"""tap2key: name the key from the sound of a tap, held-out participant by held-out participant."""

from snakemake.utils import min_version

min_version("9.27.1")


include: "workflow/rules/package.smk"


configfile: CONFIG


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/segment.smk"
include: "workflow/rules/preview.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/adaptation.smk"
include: "workflow/rules/text.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/report.smk"


localrules:
    all,


rule all:
    """Make everything: models, evaluations, their summary, and the record of the run."""
    default_target: True
    input:
        # Users take models away, so a lost one is made again though its evaluation is there.
        every_run("models", EXPERIMENTS),
        f"{RESULTS}/summary/experiments.tsv",
        rules.record.output,
        rules.answer.output,
        [f"{RESULTS}/cards/{name}/cards.tsv" for name in EXPERIMENTS],
        [f"{RESULTS}/predictions/{name}" for name in PLAN.predicting],
