"""Keeps what both models of a pair made of one image, for further questions and further masks."""

from dataclasses import dataclass

from medreasoner.reasoners.base import EncodedImage


@dataclass
class ImageCache:
    """The encodings of one image by one reasoner and its segmenter, so that a further mask costs one decode
    and a further question no encoding. The caller owns it. A call that runs in another process leaves it
    empty; the image is then encoded again.

    Args:
        segmenter_encoding: what `Segmenter.encode` returned.
        reasoner_encoding: what `Reasoner.encode` returned, without its `features`.
    """

    segmenter_encoding: object = None
    reasoner_encoding: EncodedImage | None = None
