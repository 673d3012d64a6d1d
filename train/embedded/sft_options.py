"""The options of the embedded VLM's SFT: those of `train/sft.py`, and of its rows and dense losses."""

from dataclasses import dataclass, field

from train.sft import Options as SftOptions


@dataclass
class Options(SftOptions):
    """The options of `train/sft.py` and those of the dense losses."""

    command: str = field(default="train.embedded.sft", metadata={"help": "the command a recipe is for"})
    features: list[str] = field(
        default_factory=list, metadata={"help": "caches that train/embedded/features.py filled"}
    )
    turns: int = field(
        default=1, metadata={"help": "conversations about each image, which is computed once for all of them"}
    )
    even: float = field(
        default=0.0,
        metadata={"help": "0..1: at 0 every target is asked for equally often, at 1 every data set"},
    )
    oftener: list[str] = field(
        default_factory=list,
        metadata={"help": "SET=FACTOR: an image of this data set is drawn FACTOR times as often"},
    )
    sentences: int = field(
        default=0,
        metadata={
            "help": "of each kind, of a category, that a reasoning is written from: its first ones; 0 for all"
        },
    )
    encoder_rate: float = field(
        default=0.1, metadata={"help": "learning rate of the sentence encoder, as a share of the rest's"}
    )
    earlier_rate: float = field(
        default=0.25,
        metadata={"help": "learning rate of the decoder and the projector's head, as a share of the rest's"},
    )
    freeze_last_stage: bool = field(
        default=False,
        metadata={"help": "do not train the updates of the tower's last stage: an image costs half as much"},
    )
    fixed_views: int = field(
        default=0,
        metadata={
            "help": "of each image; their maps after the last stage are computed once, before the first "
            "step. 0 draws a view for each row. Needs --freeze_last_stage"
        },
    )
    absent_share: float = field(
        default=0.12, metadata={"help": "of conversations ask for what is not in the image"}
    )
    spread: float = field(
        default=0.13, metadata={"help": "of coordinate targets, as a share of the object's side"}
    )
    weight_facts: float = field(
        default=5.0, metadata={"help": "of words for place, size and name in the reasoning"}
    )
    weight_presence: float = field(
        default=20.0, metadata={"help": "of the token that says whether there is anything to mark"}
    )
    weight_decision: float = field(
        default=1.0,
        metadata={"help": "at least, of the words by which a reasoning decides whether something is there"},
    )
    weight_coordinates: float = field(default=1.0, metadata={"help": "of the loss of the coordinates"})
    weight_kinds: float = field(
        default=0.5, metadata={"help": "of the head that names the category at each image token"}
    )
    weight_heard: float = field(
        default=0.0, metadata={"help": "of the heads for the side that is asked for and its presence"}
    )
    weight_point: float = field(
        default=0.5, metadata={"help": "of the head that finds the image tokens of the target"}
    )
    weight_box: float = field(default=0.5, metadata={"help": "of the head that gives the box"})
