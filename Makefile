# make demo: set up and run everything on a simulated study.   make test: set up and run the tests.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Further options for pip, such as where to find torch for your CUDA version (see docs/troubleshooting.md).
PIP_OPTIONS ?=
# How many processes share the tests; that of the cluster's tests mostly waits.
PROCESSES ?= 3
VENV := .venv
INSTALLED := $(VENV)/installed
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: install demo test check anchors segmentation-accuracy seconds fuzz clean

install: $(INSTALLED)

$(INSTALLED): envs/requirements.txt envs/requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tap2key needs Python 3.11: make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet $(PIP_OPTIONS) -r envs/requirements.txt -c envs/requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: $(INSTALLED)
	snakemake --profile profiles/demo
	tap2key compare --summaries demo/summary/*/
	@echo "Report: demo/report.html"

anchors: $(INSTALLED)
	tap2key anchors --taps demo/taps --truth demo/simulated/truth

segmentation-accuracy: $(INSTALLED)
	python tests/benchmark/labels.py --output results/segmentation
	python tests/benchmark/clock_steps.py --output results/segmentation

seconds: $(INSTALLED)
	python tests/benchmark/job_seconds.py --output results/job_seconds

fuzz: $(INSTALLED)
	python tests/benchmark/fuzz_readers.py
	PYTHONPATH="$(CURDIR)/tests" python -m benchmark.fuzz_studies

check: $(INSTALLED)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/Snakefile workflow/rules
	codespell
	lint-imports --no-logo
	mypy
	snakemake --configfile config/demo.yaml --lint

test: check
	OMP_NUM_THREADS=1 python -m pytest --numprocesses $(PROCESSES) --dist loadscope --no-loadscope-reorder

clean:
	rm -rf demo
