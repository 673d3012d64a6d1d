# Everything one types to use or to check the project; `make` alone lists it. A fresh machine needs make and Python 3.11 or 3.12.

SHELL := /bin/bash
PY := .venv/bin/python
STAMP := .venv/installed
ENTRY := for name in python3 python3.12 python3.11; do \
	"$$name" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && { echo "$$name"; break; }; done

.DEFAULT_GOAL := help
.PHONY: help install demo test lint

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

install: $(STAMP) ## put everything into .venv (a second time takes no time)

# sam2 is built after torch, against the torch that is there; its CUDA extension is not needed. torch asks for setuptools under 82.
$(STAMP): requirements.txt pyproject.toml
	@python="$$($(ENTRY))"; if [ -z "$$python" ]; then \
		echo "Python 3.11 or 3.12 with its venv module is needed, and was not found as python3, python3.12 or python3.11." >&2; \
		echo "On Debian or Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; fi; \
	test -x $(PY) || "$$python" -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --requirement requirements.txt 'setuptools>=77,<82' wheel
	SAM2_BUILD_CUDA=0 $(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation sam2==1.1.0
	$(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[test]'
	@touch $(STAMP)

demo: $(STAMP) ## open the page on the embedded model: http://127.0.0.1:7860
	OMP_WAIT_POLICY=PASSIVE $(PY) app.py

test: $(STAMP) ## run every test; gets a Chromium if there is none
	$(PY) -m tests.chromium
	HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=PASSIVE $(PY) -m pytest -q

lint: $(STAMP) ## check the style of the code
	$(PY) -m ruff check .
