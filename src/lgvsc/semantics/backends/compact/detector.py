"""The compact detector: things of the 80 kinds of COCO in a picture, by :mod:`lgvsc.nets.centernet`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from lgvsc.core.interfaces import Detection
from lgvsc.core.video import Pixels
from lgvsc.errors import InputError
from lgvsc.nets.centernet import STRIDE, CenterNet, read_maps

INPUT_SIDE = 512  # pixels of the longer side that the network sees
LEAST_SCORE = 0.3
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

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes, input_side: int = INPUT_SIDE) -> CompactDetector:
        """From a safetensors file or its bytes. Digests are the catalogue's business.

        Raises:
            InputError: Not weights of this network.
        """
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        net = CenterNet()
        try:
            net.load_state_dict({name: value.float() for name, value in load(data).items()})
        except (SafetensorError, RuntimeError) as error:
            raise InputError(f"these are not the weights of the compact detector: {error}") from error
        return cls(net, hashlib.sha256(data).hexdigest()[:12], input_side)

    def detect(self, pixels: Pixels, least_score: float = LEAST_SCORE) -> tuple[Detection, ...]:
        """Things in an RGB picture ``(H, W, 3)``, likeliest first. It keeps its shape to multiples of 32."""
        height, width = pixels.shape[:2]
        scale = self.input_side / max(height, width)
        rows, columns = (max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (height, width))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        seen = np.asarray(cv2.resize(pixels, (columns, rows), interpolation=how))
        with torch.inference_mode():
            picture = torch.from_numpy(seen).permute(2, 0, 1)[None].float()
            found = read_maps(*self._net(picture.contiguous(memory_format=torch.channels_last)))[0]
        kept: list[Detection] = []
        for one in found:
            if one.score < least_score:
                break
            left, top, right, bottom = one.box
            edges = (top / rows, left / columns, bottom / rows, right / columns)
            y0, x0, y1, x1 = (min(1.0, max(0.0, edge)) for edge in edges)
            kept.append(Detection(KINDS[one.kind], one.score, (y0, x0, y1, x1)))
        return tuple(kept)
