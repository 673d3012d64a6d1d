"""The models of the published results table, by the ids that run them here: `--model ID`, or `--model
openai:NAME`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedModel:
    """A model of the published table, or a newer one.

    Args:
        model: its id on the Hub, or its name with its provider; without an owner where no id is known to us.
        served: whether only a server can run it: behind an API, or with code that is not in transformers and
            is never run here.
    """

    model: str
    served: bool = False


# Ids: the names in upstream's eval/vllm_grounding.sh, and the models' own cards. A served one is asked as
# `--model openai:NAME`.
TABLE = {
    "MedReasoner 7B": PublishedModel("MedReasoner"),  # in the collection zzzyzh/medreasoner
    "Qwen2.5-VL 72B": PublishedModel("Qwen/Qwen2.5-VL-72B-Instruct"),
    "SegZero 7B": PublishedModel("Ricky06662/Seg-Zero-7B"),
    "VLM-R1-REC 3B": PublishedModel("omlab/Qwen2.5VL-3B-VLM-R1-REC-500steps"),
    "Qwen2.5-VL 7B": PublishedModel("Qwen/Qwen2.5-VL-7B-Instruct"),
    "HuatuoGPT-Vision 7B": PublishedModel("FreedomIntelligence/HuatuoGPT-Vision-7B-Qwen2.5VL"),
    "Lingshu 7B": PublishedModel("lingshu-medical-mllm/Lingshu-7B"),
    "MedR1 2B": PublishedModel("JZPeterPan/MedVLM-R1"),
    "SAM4MLLM 8B": PublishedModel("SAM4MLLM", served=True),
    "Gemini-2.5-flash": PublishedModel("gemini-2.5-flash", served=True),
    "Chiron-o1 8B": PublishedModel("manglu3935/Chiron-o1-8B", served=True),
    "InternVL3 8B": PublishedModel("OpenGVLab/InternVL3-8B-hf"),
    "MedGemma 4B": PublishedModel("google/medgemma-4b-it"),
    "InternVL3 78B": PublishedModel("OpenGVLab/InternVL3-78B-hf"),
    "Mini-InternVL 4B": PublishedModel("OpenGVLab/Mini-InternVL2-4B-DA-Medical", served=True),
    "GPT-4o": PublishedModel("gpt-4o", served=True),
    "Qwen3-VL 8B": PublishedModel("Qwen/Qwen3-VL-8B-Instruct"),
    "MedGemma 1.5 4B": PublishedModel("google/medgemma-1.5-4b-it"),
    "Hulu-Med 7B": PublishedModel("ZJU-AI4H/Hulu-Med-7B", served=True),
    "SAM 3": PublishedModel("facebook/sam3"),  # known by its config.json, not by its name
}
