# What one types to use and to check the project; `make` alone lists it. A fresh machine needs make and Python 3.11 or 3.12.
# Training and measuring are in train/embedded/embedded.mk and bench/bench.mk.

SHELL := /bin/bash
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
LOCK := $(PY) -m uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --no-build-isolation-package sam2 \
	--no-annotate --custom-compile-command "make lock"
RUN := HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=PASSIVE $(PY) -m
PAGE := .venv/page-installed
ALL := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help demo test install lint docs lock test-space space-dry-run recordings

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(PAGE) ## open the page on the embedded model: http://127.0.0.1:7860
	OMP_WAIT_POLICY=PASSIVE $(PY) app.py

# The processes share the cores already, so each computes with one thread; tests/conftest.py says which files come first.
test: $(ALL) ## run every test; gets a Chromium if there is none
	$(PY) -m tests.chromium
	OMP_NUM_THREADS=1 $(RUN) pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

install: $(ALL) ## put everything into .venv (a second time takes no time)

# A Python that fits, then what the library and the page need, as wheels with the hashes of locks/, and the library itself.
# The locks are complete: --no-deps spares pip a search that takes a minute and a half.
$(PAGE): pyproject.toml locks/page.txt
	@for name in python3 python3.12 python3.11; do \
		"$$name" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && found="$$name" && break; done; \
	if [ -z "$$found" ]; then \
		echo "Python 3.11 or 3.12 with its venv module is needed, and was not found as python3, python3.12 or python3.11." >&2; \
		echo "On Debian or Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; fi; \
	test -x $(PY) || "$$found" -m venv .venv
	$(PIP) --require-hashes --no-deps --only-binary :all: --requirement locks/page.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# The rest. sam2 is built after torch, against the torch that is there; its CUDA extension is not needed.
$(ALL): $(PAGE) locks/all.txt
	SAM2_BUILD_CUDA=0 $(PIP) --require-hashes --no-deps --no-build-isolation --requirement locks/all.txt
	@touch $@

lint: $(ALL) ## check the style of the code
	$(PY) -m ruff check .

docs: $(ALL) ## build the documentation into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

lock: $(ALL) ## write requirements.txt anew from pyproject.toml, changing only what has to change, and the hashes in locks/
	SAM2_BUILD_CUDA=0 $(LOCK) --all-extras --output-file requirements.txt
	SAM2_BUILD_CUDA=0 $(LOCK) --all-extras --constraint requirements.txt --generate-hashes --output-file locks/all.txt
	$(LOCK) --extra page --constraint requirements.txt --generate-hashes --output-file locks/page.txt

test-space: $(ALL) ## run a staged Space in clean environments of Python 3.12 and 3.11, where there are both
	$(PY) -m tests.chromium
	SPACE_PYTHONS="3.12 3.11" $(RUN) pytest -q tests/space/test_runs.py

space-dry-run: $(ALL) ## show what deploying the page to a Space would do: make space-dry-run SPACE=USER/NAME
	$(PY) -m space.deploy $(SPACE) --dry-run

recordings: $(PAGE) ## record the examples' runs, for visitors without GPU quota (medreasoner/examples/recorded.json)
	$(RUN) medreasoner.page.recordings

include train/embedded/embedded.mk bench/bench.mk
