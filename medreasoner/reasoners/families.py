"""How each family of vision-language models sees an image and writes coordinates, with the source of every
line.

Local checkpoints are looked up by the `model_type` of their config.json, served models by the beginning of
their name. A checkpoint that was trained otherwise says so in its `medreasoner.json`. Where nothing is
published, `source` begins with "assumed". To add a family, add a line here and, if it writes boxes in a way
of its own, a function in `dialects.py`.
"""

from dataclasses import dataclass

from medreasoner.geometry import EMBEDDED, INPUT_PIXELS, THOUSAND, THOUSAND_YX, Frame

# The published scoring of all baselines: numbers taken as pixels of the set's own 840 x 840 images, whatever
# the model meant by them (upstream eval/vllm_eval.py:140, where the only conversion is commented out).
UPSTREAM_RAW = Frame("upstream-raw", 840)


@dataclass(frozen=True)
class Family:
    """How models of one family see and write.

    Args:
        frame: in which they write coordinates.
        source: where that is said, or "assumed: …".
        dialect: how they write a box where they do not keep to the project's format; names in
            `dialects.DIALECTS`, tried in order.
        square: side in pixels to which each image is resized first, its aspect not kept; None leaves the size
            to the model's processor.
        max_pixels: larger images are scaled down to this area first (more image tokens cost time and bring
            little).
    """

    frame: Frame
    source: str
    dialect: tuple[str, ...] = ("json",)
    square: int | None = None
    max_pixels: int = 1024 * 1024


_QWEN = "QwenLM/Qwen3-VL qwen-vl-finetune/tools/process_bbox.ipynb"
_INTERNVL = "OpenGVLab/InternVL evaluate_grounding.py (x / 1000 of the original width)"
_GEMINI = "Google's Gemini API guide, object detection: box_2d [ymin, xmin, ymax, xmax], 0-1000"

FAMILIES = {
    "qwen2_vl": Family(THOUSAND, _QWEN, ("qwen2", "json")),
    # 840 is what the published MedReasoner checkpoints were trained on; at multiples of 28 the family's own
    # resizing changes nothing
    "qwen2_5_vl": Family(INPUT_PIXELS, f"{_QWEN}; VLM-R1 resize_bbox; Seg-Zero at 840 x 840", square=840),
    "qwen3_vl": Family(THOUSAND, "QwenLM/Qwen3-VL README: relative position coordinates, 0-1000"),
    "qwen3_vl_moe": Family(THOUSAND, "QwenLM/Qwen3-VL README: relative position coordinates, 0-1000"),
    "internvl": Family(THOUSAND, _INTERNVL, ("internvl", "json")),
    "gemma3": Family(
        THOUSAND_YX,
        "Google-Health MedGemma 1.5 notebook cxr_anatomy_localization: box_2d [y0, x0, y1, x1], 0-1000",
    ),
    "gemini": Family(THOUSAND_YX, _GEMINI),
    "gpt": Family(THOUSAND, "assumed: none is published; the prompt declares 0..1000, x first"),
    "hulumed": Family(
        THOUSAND, "assumed: the card states no convention; the prompt declares 0..1000, x first"
    ),
    "sam4mllm": Family(
        THOUSAND, "SAM4MLLM inference_server.py: bbox / 1000 of the original sides", ("list",)
    ),
    "sam3": Family(
        INPUT_PIXELS,
        "transformers Sam3Processor.post_process_instance_segmentation: pixels of the original image",
    ),
    # a LLaVA processor makes every image small itself; max_pixels only bounds the work
    "llava": Family(
        THOUSAND,
        "assumed: LLaVA was trained on 0..1; the prompt declares 0..1000",
        ("json", "list"),
        max_pixels=4096 * 4096,
    ),
    # a smaller bound would resize twice: the segmenter, which shares the tower, would see another picture
    "medreasoner": Family(
        EMBEDDED,
        "train/embedded/create.py makes these models and writes this frame into their medreasoner.json",
        max_pixels=4096 * 4096,
    ),
    "llava_next": Family(
        THOUSAND, "assumed: LLaVA was trained on 0..1; the prompt declares 0..1000", ("json", "list")
    ),
}
ANY_OTHER = Family(THOUSAND, "assumed: the prompt declares 0..1000, x first")

# Beginning of a model's name, without its owner -> its family. The longest that fits counts.
NAMES = {
    "MedReasoner": "qwen2_5_vl",
    "Lingshu": "qwen2_5_vl",
    "Qwen2.5-VL": "qwen2_5_vl",
    "Qwen2.5VL": "qwen2_5_vl",  # VLM-R1-REC
    "VLM-R1": "qwen2_5_vl",
    "Seg-Zero": "qwen2_5_vl",
    "SegZero": "qwen2_5_vl",
    "VisionReasoner": "qwen2_5_vl",
    "HuatuoGPT-Vision-7B-Qwen2.5VL": "qwen2_5_vl",
    "Qwen2-VL": "qwen2_vl",
    "MedVLM-R1": "qwen2_vl",
    "Med-R1": "qwen2_vl",
    "Qwen3-VL": "qwen3_vl",
    "InternVL": "internvl",
    "Mini-InternVL": "internvl",
    "Chiron-o1": "internvl",
    "medgemma": "gemma3",
    "gemma-3": "gemma3",
    "gemini": "gemini",
    "gpt": "gpt",
    "Hulu-Med": "hulumed",
    "SAM4MLLM": "sam4mllm",
}


def family_of(name: str) -> str | None:
    """The family of a model by its name, "Qwen/Qwen2.5-VL-7B-Instruct" say; None if it is not in `NAMES`."""
    bare = name.rsplit("/", 1)[-1].lower()
    known = [stem for stem in NAMES if bare.startswith(stem.lower())]
    return NAMES[max(known, key=len)] if known else None
