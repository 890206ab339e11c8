"""CLIP score of a rebuilt frame: the cosine of its image embedding and its source's.

Source: Radford et al. 2021, "Learning transferable visual models from natural language supervision"; ViT-B/32 through
the transformers library. The weights do not ship: ``lgvsc models pull clip-vit-b-32`` fetches them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from lgvsc.core.video import Pixels
from lgvsc.errors import MissingResourceError
from lgvsc.models.catalog import find
from lgvsc.models.hub import weights_folder

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's own training pictures
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class ClipScore:
    """Cosine of two pictures' embeddings, in [-1, 1].

    Args:
        model: A ``CLIPVisionModelWithProjection`` of the transformers library, in evaluation mode.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.side = int(model.config.image_size)

    def __call__(self, source: Pixels, rebuilt: Pixels) -> float:
        with torch.inference_mode():
            seen = self.model(pixel_values=torch.stack([self.prepare(source), self.prepare(rebuilt)]))
        one, other = torch.nn.functional.normalize(seen.image_embeds, dim=-1)
        return float(one @ other)

    def prepare(self, pixels: Pixels) -> Tensor:
        """The middle square, at CLIP's size and with its mean and deviation taken out, ``(3, side, side)``."""
        height, width = pixels.shape[:2]
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        way = cv2.INTER_AREA if edge > self.side else cv2.INTER_CUBIC
        square = cv2.resize(pixels[top : top + edge, left : left + edge], (self.side, self.side), interpolation=way)
        values = (np.asarray(square, np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
        return torch.from_numpy(values.transpose(2, 0, 1).copy())


def clip_similarity() -> Callable[[Pixels, Pixels], float]:
    """The score with the weights on this machine.

    Raises:
        MissingResourceError: They are not there, or transformers is not; the message has the command.
    """
    return load_clip(weights_folder(find("clip-vit-b-32")))


@cache
def load_clip(folder: Path) -> ClipScore:
    """The score with weights from a folder, safetensors only.

    Raises:
        MissingResourceError: transformers is not installed.
    """
    try:
        from transformers import CLIPVisionModelWithProjection
    except ImportError as error:
        raise MissingResourceError("CLIP needs transformers: pip install 'lgvsc[paper]'") from error
    model = CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return ClipScore(model.eval())
