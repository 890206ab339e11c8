"""Networks of the transformers library that look at pictures, and how each wants them: ``preprocessor_config.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from lgvsc.core.video import Pixels
from lgvsc.errors import InputError, MissingResourceError


def load_network(folder: Path, family: str, task: str, named: str) -> Any:
    """A network from a folder, safetensors only, in evaluation mode.

    Args:
        folder: With weights and configuration.
        family: The library's class, as ``AutoModelForDepthEstimation``.
        task: What it is for, in words.
        named: What such a network is called.

    Raises:
        MissingResourceError: transformers is not installed.
        InputError: The folder holds no such network.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingResourceError(f"{task} needs transformers: pip install 'lgvsc[tasks]'") from error
    try:
        kind = getattr(transformers, family)
        return kind.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds no {named}: {str(error).splitlines()[0]}") from error


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """What is done with a picture before a network sees it.

    Attributes:
        side: Of the shorter side, or of the square in the middle, in pixels.
        multiple: Sides are multiples of it.
        square: Whether the square in the middle is cut out.
        mean, deviation: Of each channel.
        scale, offset: 8-bit levels times ``scale`` less ``offset`` come before these.
    """

    side: int
    multiple: int = 1
    square: bool = True
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    deviation: tuple[float, ...] = (0.229, 0.224, 0.225)
    scale: float = 1 / 255
    offset: float = 0.0

    @classmethod
    def read(cls, folder: Path, *, side: int, square: bool) -> NetworkInput:
        """As the checkpoint says; what it does not say is ImageNet's.

        Args:
            side: Where the file names no size.

        Raises:
            InputError: The file is there and cannot be read.
        """
        path = folder / "preprocessor_config.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
            size = found.get("crop_size") or found.get("size") or {}
            named = size if isinstance(size, int) else size.get("height") or size.get("shortest_edge") or side
            usual = cls(side=side)
            return cls(
                side=int(named),
                multiple=int(found.get("ensure_multiple_of") or 1),
                square=square,
                mean=tuple(map(float, found.get("image_mean") or usual.mean)),
                deviation=tuple(map(float, found.get("image_std") or usual.deviation)),
                scale=float(found.get("rescale_factor") or usual.scale),
                offset=1.0 if found.get("offset") else 0.0,
            )
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error

    def prepare(self, pixels: Pixels) -> Tensor:
        """A picture as the network wants it, ``(3, height, width)``."""
        height, width = pixels.shape[:2]
        scale = self.side / min(height, width)
        fit = [max(self.multiple, round(edge * scale / self.multiple) * self.multiple) for edge in (width, height)]
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        values = cv2.resize(pixels, fit, interpolation=way)
        if self.square:
            top, left = (values.shape[0] - self.side) // 2, (values.shape[1] - self.side) // 2
            values = values[top : top + self.side, left : left + self.side]
        levels = values.astype(np.float32) * np.float32(self.scale) - np.float32(self.offset)
        normal = (levels - np.array(self.mean, np.float32)) / np.array(self.deviation, np.float32)
        return torch.from_numpy(normal.astype(np.float32).transpose(2, 0, 1).copy())
