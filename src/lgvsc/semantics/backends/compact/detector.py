"""The compact detector: things of the 80 kinds of COCO in a picture, by :mod:`lgvsc.nets.centernet`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lgvsc.core.interfaces import Detection
from lgvsc.core.video import Pixels
from lgvsc.errors import InputError
from lgvsc.models.weights import read_network
from lgvsc.nets.centernet import STRIDE, CenterNet, read_maps

INPUT_SIDE = 384  # pixels of the longer side that the network sees: what a core can look at in 45 ms
Floats: TypeAlias = NDArray[np.float32]
Box: TypeAlias = tuple[float, float, float, float]  # top, left, bottom, right
LARGEST_SIDE = 2048
LEAST_SCORE = 0.3
FOLDER_KIND = "centernet"  # model_type of a folder whose network takes the shipped one's place
FOLDER_CONFIG, FOLDER_WEIGHTS = "config.json", "model.safetensors"
_ONE_THING = 0.55  # overlap from which two boxes of one kind are about the same thing
_ONE_SPOT = 0.8  # the same where the kinds differ: a truck that may be a bus
_PART = 0.85  # share of the smaller box inside a larger one of its kind, which may be no more than this far larger:
_PART_OF = 0.3  # its area over the larger one's, at least; a far smaller one may be another thing behind it
_KINDS = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"
    "skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,"
    "cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,"
    "refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
KINDS = tuple(_KINDS.split(","))


class CompactDetector:
    """Names things and their boxes.

    Args:
        net: The network, one output map for each of :data:`KINDS`.
        revision: The beginning of the SHA-256 of its weights.
        input_side: Longer side of what the network sees, pixels.
    """

    name = "compact-detector"

    def __init__(self, net: CenterNet, revision: str = "unknown", input_side: int = INPUT_SIDE) -> None:
        self.revision, self.input_side = revision, input_side
        self._net = net.float().eval()
        self._net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth faster

    @classmethod
    def load_folder(cls, folder: str | os.PathLike[str]) -> CompactDetector:
        """From a folder with ``config.json`` (``model_type`` "centernet", ``input_side``) and ``model.safetensors``.

        Raises:
            InputError: One of the files is missing or says something else.
        """
        place = Path(folder)
        try:
            stated = json.loads((place / FOLDER_CONFIG).read_text("utf-8"))
            data = (place / FOLDER_WEIGHTS).read_bytes()
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(
                f"{place} is no folder of a detector: {error}; it holds {FOLDER_CONFIG} and {FOLDER_WEIGHTS}, as "
                "lgvsc models convert GRAPH.json --to FOLDER writes them"
            ) from error
        kind = stated.get("model_type") if isinstance(stated, dict) else None
        side = stated.get("input_side", INPUT_SIDE) if isinstance(stated, dict) else 0
        if kind != FOLDER_KIND or type(side) is not int or not STRIDE <= side <= LARGEST_SIDE:
            raise InputError(
                f"{place / FOLDER_CONFIG}: model_type {kind!r}, input_side {side!r}; a detector has {FOLDER_KIND!r} "
                f"and {STRIDE} to {LARGEST_SIDE} pixels"
            )
        return cls.load(data, side)

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes, input_side: int = INPUT_SIDE) -> CompactDetector:
        """From a safetensors file or its bytes. Digests are the catalogue's business.

        Raises:
            InputError: Not weights of this network.
        """
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        net = read_network(data, "the compact detector", lambda _: CenterNet())
        return cls(net, hashlib.sha256(data).hexdigest()[:12], input_side)

    def detect(self, pixels: Pixels, least_score: float = LEAST_SCORE) -> tuple[Detection, ...]:
        """Things in an RGB picture ``(H, W, 3)``, likeliest first, each of them once.

        The picture keeps its shape to multiples of 32.
        """
        return self.look(pixels, least_score)[0]

    @property
    def summary_size(self) -> int:
        """Numbers in the summary of a picture that :meth:`look` gives."""
        return self._net.summary_size

    def look(self, pixels: Pixels, least_score: float = LEAST_SCORE) -> tuple[tuple[Detection, ...], Floats, Floats]:
        """The same, and what the network makes of the picture.

        Returns:
            Things; the summary of the whole, float32 ``(summary_size,)``; its deepest features in the cells of a grid,
            ``(features, PARTS, PARTS)``, whose means the summary begins with.
        """
        height, width = pixels.shape[:2]
        scale = self.input_side / max(height, width)
        rows, columns = (max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (height, width))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        seen = np.asarray(cv2.resize(pixels, (columns, rows), interpolation=how))
        with torch.inference_mode():
            picture = torch.from_numpy(seen).permute(2, 0, 1)[None].float()
            picture = picture.contiguous(memory_format=torch.channels_last)
            middles, sides, summary, parts = self._net.with_summary(picture)
            found = read_maps(middles, sides, least_score=least_score)[0]
        kept: list[Detection] = []
        for one in found:
            if one.score < least_score:
                break
            left, top, right, bottom = one.box
            edges = (top / rows, left / columns, bottom / rows, right / columns)
            y0, x0, y1, x1 = (min(1.0, max(0.0, edge)) for edge in edges)
            kept.append(Detection(KINDS[one.kind], one.score, (y0, x0, y1, x1)))
        return without_duplicates(kept), summary[0].numpy(), parts[0].numpy()


def without_duplicates(found: Sequence[Detection]) -> tuple[Detection, ...]:
    """Things without those that a likelier one stands for: nearly the same box, or a part of a thing of the kind.

    Args:
        found: Likeliest first.
    """
    kept: list[Detection] = []
    for one in found:
        if not any(_stands_for(better, one) for better in kept):
            kept.append(one)
    return tuple(kept)


def _stands_for(better: Detection, other: Detection) -> bool:
    shared, areas = _shared(better.box, other.box), (_area(better.box), _area(other.box))
    union = areas[0] + areas[1] - shared
    if union <= 0 or better.kind != other.kind:
        return union <= 0 or shared > _ONE_SPOT * union
    small, large = sorted(areas)
    return shared > _ONE_THING * union or (shared > _PART * small and small > _PART_OF * large)


def _shared(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
