"""What a receiver costs: how many weights its networks have."""

from __future__ import annotations

from functools import cache
from math import prod

from lgvsc.config import Config
from lgvsc.kinds import models
from lgvsc.models.catalog import find
from lgvsc.models.weights import header, load_asset
from lgvsc.semantics.backends.compact.recognition import RECOGNISERS

SENDER_ROLES = ("captioner", "judge", "segment_captioner", "sketch_extractor", *RECOGNISERS)
VIDEO_CODEC = "video_codec"  # no network


def receiver_parameters(config: Config) -> int | None:
    """Weights of the networks that the receiver of a scheme runs; 0 where it is a codec.

    Counted are all tensors of the shipped assets in its roles, those that only the transmitter runs (an encoder in the
    same file) included, and the text coder's table. ``None`` where a model's weights do not ship.
    """
    total = 0
    for role, entry in models(config).items():
        if role in (*SENDER_ROLES, VIDEO_CODEC):
            continue
        counted = parameters(entry["name"])
        if counted is None:
            return None
        total += counted
    return total


@cache
def parameters(name: str) -> int | None:
    """Values in all tensors of a shipped model; 0 for one that computes without weights."""
    card = find(name)
    if card.file is None:
        return 0 if card.shipped else None
    shapes = (entry["shape"] for key, entry in header(load_asset(card)).items() if key != "__metadata__")
    return sum(prod(shape) for shape in shapes)
