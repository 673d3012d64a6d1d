# What is measured and not tested, and the pictures of the documentation.

.PHONY: fuzz kills heavy-uploads bench-masks bench-data bench-evaluate bench-rewards bench-latency bench-page pictures figure odd-files bench-volume bench-gpu bench-peers bench-growth map

bench-masks: $(ALL) ## Dice with true box and points: tuned mask decoder against the untuned weights
	$(RUN) bench.masks --data runs/data --untuned $(SAM2)

bench-data: $(ALL) ## samples per second read and measured with 1 and 2 processes, and peak memory
	$(RUN) bench.data --data runs/data

bench-evaluate: $(ALL) ## samples per second through `evaluate`, one by one and in batches; masks in batches
	$(RUN) bench.evaluate --data runs/data

bench-rewards: $(ALL) ## completions scored per second by each reward set, and what each gives answers of known worth
	$(RUN) bench.rewards --data runs/data --features runs/features

bench-latency: $(ALL) ## time to the first token, tokens per second, mask, memory, cost of streaming
	$(RUN) bench.latency

bench-page: $(ALL) ## what a visitor waits, and twenty visitors at once
	$(RUN) bench.page_times
	$(RUN) bench.load_page

fuzz: $(ALL) ## hostile answers, pictures, masks, checkpoints, corrections and DICOM files: make fuzz SECONDS=300
	$(RUN) bench.fuzz --seconds $(or $(SECONDS),300)

kills: $(ALL) ## kills evaluation, building, review, push and pull at random moments: make kills KILLS=100
	$(RUN) bench.kills --kills $(or $(KILLS),100)

heavy-uploads: $(ALL) ## what the worst uploads cost a served page in memory, and another visitor in time
	$(RUN) bench.heavy_uploads

bench-volume: $(ALL) ## propagation through volumes: 3D Dice from true boxes, time, memory (make bench-volume VOLUMES=DIR)
	$(RUN) bench.volume --volumes $(or $(VOLUMES),../shared/data/volumes) --stock

bench-gpu: $(ALL) ## one GPU, at most eight minutes: a 7B model's answers and GRPO step, the embedded pair
	bench/gpu.sh

bench-peers: $(ALL) ## our way beside stock parts, as ratios: make bench-peers ROWS="first-word encode"
	$(RUN) bench.peers $(ROWS)

bench-growth: $(ALL) ## how work grows with megapixels, letters, rows and slices
	$(RUN) bench.growth --plot docs/growth.png

pictures: $(ALL) ## make the README's pictures from the real page (docs/)
	$(RUN) bench.picture --example 7

figure: $(ALL) ## draw the architecture figure with a real run in it (docs/architecture.svg)
	$(RUN) bench.architecture

odd-files: $(ALL) ## draw ten odd files beside what pydicom, SimpleITK and nibabel make of them (docs/odd-files.png)
	$(RUN) bench.odd_files

map: $(ALL) ## write the map of the tree in AGENTS.md from the docstrings
	$(PY) -m bench.tree_map

.PHONY: evaluate-volumes
evaluate-volumes: $(ALL) ## the development volumes asked by question alone (make evaluate-volumes VOLUMES=DIR OUT=DIR)
	$(RUN) medreasoner evaluate --volumes --data $(or $(VOLUMES),../shared/data/volumes) --questions bench/volume_questions.json --out $(or $(OUT),runs/volumes)
