# Everything one types to use or to check the project; `make` alone lists it. A fresh machine needs make and Python 3.11 or 3.12.

SHELL := /bin/bash
PY := .venv/bin/python
STAMP := .venv/installed
ENTRY := for name in python3 python3.12 python3.11; do \
	"$$name" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && { echo "$$name"; break; }; done

.DEFAULT_GOAL := help
REAL := ../shared/data/real
SAM2 := ../shared/weights/sam2_hiera_tiny_image_fp16.safetensors
RUN := HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=PASSIVE $(PY) -m

.PHONY: help install demo test lint data features train pack evaluate bench-masks bench-latency

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

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

# --- evidence: slow, never part of `make test`; needs the real images and the SAM 2 weights named above ---

data: $(STAMP) ## build samples and augmented views from the real images (runs/data, runs/views)
	$(RUN) medreasoner.data.build $(REAL) --out runs/data
	$(RUN) train.views runs/data --out runs/views --per-image 2

features: $(STAMP) ## cache the frozen features of both (about 40 minutes on 2 cores)
	$(RUN) train.features --images runs/data/images --sam2 $(SAM2) --out runs/features --mask-inputs
	$(RUN) train.features --images runs/views/images --sam2 $(SAM2) --out runs/features_views --bf16

train: $(STAMP) ## train the embedded pair (about 70 minutes on 2 cores; goes on after a kill)
	test -d runs/start || $(RUN) train.embedded --sam2 $(SAM2) --out runs/start --features runs/features
	$(RUN) train.sft --model runs/start --data runs/data runs/views --features runs/features runs/features_views --out runs/sft --bf16
	$(RUN) train.asm --data runs/data --features runs/features --sam2 $(SAM2) --out runs/asm_first
	$(RUN) train.asm --data runs/data --features runs/features --sam2 $(SAM2) --start runs/asm_first --out runs/asm --steps 800 --seed 1

pack: $(STAMP) ## put the trained pair into medreasoner/embedded
	$(RUN) train.pack --crm runs/sft --asm runs/asm --out medreasoner/embedded

evaluate: $(STAMP) ## score the embedded pair on the validation split, with all controls (runs/evaluation)
	$(RUN) medreasoner evaluate --data runs/data --split validation --controls --out runs/evaluation

bench-masks: $(STAMP) ## Dice with true box and points: tuned mask decoder against the untuned weights
	$(RUN) bench.masks --data runs/data --untuned $(SAM2)

bench-latency: $(STAMP) ## time to the first token, tokens per second, mask, memory, cost of streaming
	$(RUN) bench.latency
