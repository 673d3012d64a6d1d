# Everything one types to use or to check the project; `make` alone lists it. A fresh machine needs make and Python 3.11 or 3.12.

SHELL := /bin/bash
PY := .venv/bin/python
STAMP := .venv/installed
ENTRY := for name in python3 python3.12 python3.11; do \
	"$$name" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && { echo "$$name"; break; }; done

.DEFAULT_GOAL := help
REAL := ../shared/data/real
SAM2 := ../shared/weights/sam2_hiera_tiny_image_fp16.safetensors
SFT := runs/sft
MLP := transformer\.layers\.\d\.mlp
MODELS := $(wildcard $(SFT)) medreasoner/embedded $(wildcard runs/grpo_* runs/sft_more_seed_* runs/sft_seed_*)
RUN := HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=PASSIVE $(PY) -m

.PHONY: help install demo test test-space lint data features train mean grpo study seeds compare curves pack evaluate report bench-data bench-evaluate bench-masks bench-rewards bench-latency bench-page pictures figure docs recordings space-dry-run

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
	$(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[test,train]'
	@touch $(STAMP)

demo: $(STAMP) ## open the page on the embedded model: http://127.0.0.1:7860
	OMP_WAIT_POLICY=PASSIVE $(PY) app.py

test: $(STAMP) ## run every test; gets a Chromium if there is none
	$(PY) -m tests.chromium
	HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=PASSIVE $(PY) -m pytest -q -n auto --maxprocesses 4 --dist loadfile

test-space: $(STAMP) ## run a staged Space in clean environments of Python 3.12 and 3.11, where there are both
	$(PY) -m tests.chromium
	SPACE_PYTHONS="3.12 3.11" HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=PASSIVE $(PY) -m pytest -q tests/space/test_runs.py

lint: $(STAMP) ## check the style of the code
	$(PY) -m ruff check .

# --- evidence: slow, never part of `make test`; needs the real images and the SAM 2 weights named above ---

data: $(STAMP) ## build samples and augmented views from the real images (runs/data, runs/views)
	$(RUN) medreasoner data build $(REAL) --out runs/data --distinct --name "UMRG-Real v1"
	$(RUN) train.embedded.augment runs/data --out runs/views

features: $(STAMP) ## cache the frozen features of both (about 40 minutes on 2 cores)
	$(RUN) train.embedded.features --images runs/data/images --sam2 $(SAM2) --out runs/features --mask-inputs
	$(RUN) train.embedded.features --images runs/views/images --sam2 $(SAM2) --out runs/features_views --bf16 --mask-inputs

train: $(STAMP) ## train the embedded pair (about 70 minutes on 2 cores; goes on after a kill)
	test -d runs/start || $(RUN) train.embedded.create --sam2 $(SAM2) --out runs/start --features runs/features
	$(RUN) train.embedded.sft --recipe train/recipes/embedded_sft.yaml
	$(RUN) train.embedded.mask_decoder --data runs/data runs/views --features runs/features runs/features_views --sam2 $(SAM2) --out runs/asm --steps 2000

mean: $(STAMP) ## go on from there by GRPO and SFT with more wordings, average the three; the mask decoder likewise (runs/mean, runs/asm_looks; hours)
	$(RUN) train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml --model $(SFT) --direct_share 0 --rewards paper-base-intended --max_steps 150 \
		--output_dir runs/grpo_150
	$(RUN) train.embedded.sft --recipe train/recipes/embedded_words_sft.yaml --model $(SFT)
	$(RUN) train.soup $(SFT) runs/grpo_150 runs/sft_words --out runs/mean
	$(RUN) train.embedded.mask_decoder --data runs/data runs/views --features runs/features runs/features_views --sam2 $(SAM2) --start runs/asm --out runs/asm_more \
		--steps 1000 --lr 1.5e-4 --fixed '$(MLP)' --average 0.995 --rare 0.75 --clicked 0.2
	$(RUN) train.embedded.mask_decoder --data runs/data --features runs/features --sam2 $(SAM2) --start runs/asm runs/asm_more --out runs/asm_mean \
		--keep 0.95 --fixed '$(MLP)' --steps 0
	$(RUN) train.embedded.mask_decoder --data runs/data runs/views --features runs/features runs/features_views --sam2 $(SAM2) --start runs/asm_mean --out runs/asm_near \
		--steps 1100 --lr 1.5e-4 --fixed '$(MLP)' --average 0.995 --rare 0.5 --clicked 0.2 --looks 2 --jitter 0.1 --noise near --seed 1
	$(RUN) train.embedded.mask_decoder --data runs/data --features runs/features --sam2 $(SAM2) --start runs/asm_mean runs/asm_near --out runs/asm_looks \
		--keep 0.9 --fixed '$(MLP)' --steps 0 --looks 2

grpo: $(STAMP) ## reinforcement learning of the embedded CRM (runs/grpo_mask; goes on after a kill)
	$(RUN) train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml

study: $(STAMP) ## after make train: GRPO with every reward set, three seeds of the best, one without SFT (hours; then make compare curves)
	for set in paper-base-intended paper-hard paper-soft mask; do \
		$(RUN) train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml --model $(SFT) --direct_share 0 --rewards $$set --output_dir runs/grpo_$${set//-/_} || exit 1; done
	for seed in 1 2; do \
		$(RUN) train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml --model $(SFT) --direct_share 0 --rewards paper-base-intended --seed $$seed \
			--output_dir runs/grpo_paper_base_intended_seed_$$seed || exit 1; done
	for seed in 0 1 2; do \
		$(RUN) train.embedded.sft --recipe train/recipes/embedded_more_sft.yaml --model $(SFT) --max_steps 200 --seed $$seed \
			--output_dir runs/sft_more_seed_$$seed || exit 1; done
	test -d runs/start || $(RUN) train.embedded.create --sam2 $(SAM2) --out runs/start --features runs/features
	$(RUN) train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml --model runs/start --max_steps 10 --output_dir runs/grpo_without_sft

seeds: $(STAMP) ## after make data features: SFT three times from an untrained start, each short and whole (runs/sft_seed_N; hours)
	for seed in 0 1 2; do \
		test -d runs/start_$$seed || $(RUN) train.embedded.create --sam2 $(SAM2) --out runs/start_$$seed --features runs/features --seed $$seed || exit 1; \
		$(RUN) train.embedded.sft --recipe train/recipes/embedded_sft.yaml --model runs/start_$$seed --data runs/data --features runs/features --turns 3 \
			--per_device_train_batch_size 4 --max_steps 850 --seed $$seed --output_dir runs/sft_seed_$$seed || exit 1; done

compare: $(STAMP) ## trained models side by side on the validation split: make compare MODELS="medreasoner/embedded runs/grpo_mask"
	$(RUN) train.embedded.compare $(MODELS) --data runs/data --features runs/features --segmenter medreasoner/embedded/segmenter

curves: $(STAMP) ## reward curves of the runs as a picture (docs/rewards.png)
	$(RUN) train.curves $(wildcard runs/grpo_*) --out docs/rewards.png

pack: $(STAMP) ## put the trained pair into medreasoner/embedded
	$(RUN) train.embedded.pack --crm runs/mean --asm runs/asm_looks --out medreasoner/embedded

evaluate: $(STAMP) ## score the embedded pair on the validation split, with all controls (runs/evaluation)
	$(RUN) medreasoner evaluate --data runs/data --split validation --controls --batch 16 --out runs/evaluation

report: $(STAMP) ## lay the evaluation out as one page (runs/report.html)
	$(RUN) medreasoner report runs/evaluation --data runs/data --split validation --out runs/report.html

bench-masks: $(STAMP) ## Dice with true box and points: tuned mask decoder against the untuned weights
	$(RUN) bench.masks --data runs/data --untuned $(SAM2)

bench-data: $(STAMP) ## samples per second read and measured with 1 and 2 processes, and peak memory
	$(RUN) bench.data --data runs/data

bench-evaluate: $(STAMP) ## samples per second through `evaluate`, one by one and in batches; masks in batches
	$(RUN) bench.evaluate --data runs/data

bench-rewards: $(STAMP) ## completions scored per second by each reward set, and what each gives answers of known worth
	$(RUN) bench.rewards --data runs/data --features runs/features

bench-page: $(STAMP) ## what a visitor waits, and twenty visitors at once
	$(RUN) bench.page_times
	$(RUN) bench.load_page

pictures: $(STAMP) ## make the README's pictures from the real page (docs/)
	$(RUN) bench.picture --example 3 --truth

figure: $(STAMP) ## draw the architecture figure with a real run in it (docs/architecture.svg)
	$(RUN) bench.architecture

docs: $(STAMP) ## build the documentation into site/; a warning is an error
	$(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict

recordings: $(STAMP) ## record the examples' runs, for visitors without GPU quota (medreasoner/examples/recorded.json)
	$(RUN) medreasoner.page.recordings

space-dry-run: $(STAMP) ## show what deploying the page to a Space would do: make space-dry-run SPACE=USER/NAME
	$(PY) -m space.deploy $(SPACE) --dry-run

bench-latency: $(STAMP) ## time to the first token, tokens per second, mask, memory, cost of streaming
	$(RUN) bench.latency
