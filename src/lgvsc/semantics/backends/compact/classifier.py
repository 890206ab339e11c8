"""The compact classifier: what a picture as a whole shows, by :mod:`lgvsc.nets.efficientnet_lite`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.core.video import Pixels
from lgvsc.errors import InputError, MissingResourceError
from lgvsc.models.packing import unpack
from lgvsc.models.weights import read_tensors
from lgvsc.nets.efficientnet_lite import STRIDE, EfficientNetLite, EfficientNetLiteConfig
from lgvsc.semantics.backends.compact.classifier_kinds import CLASSES

INPUT_AREA = 256 * 256  # pixels that the network sees of a picture, which keeps its shape
BITS, DEPTHWISE_BITS, KINDS_BITS = 5, 8, 4  # of a weight
LEAST_PACKED = 1024  # weights of a layer, from which it is packed

Floats: TypeAlias = NDArray[np.float32]


class CompactClassifier:
    """Tells what a whole picture shows.

    Args:
        net: The network.
        classes: Number of each of its kinds among ImageNet's classes.
        revision: The beginning of the SHA-256 of its weights.
    """

    name = "compact-classifier"

    def __init__(self, net: EfficientNetLite, classes: tuple[int, ...], revision: str = "unknown") -> None:
        self.revision = revision
        self._net = net.float().eval()
        self._net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        rows = {number: row for row, number in enumerate(classes)}
        self._words = np.zeros((len(classes), len(CLASSES)), np.float32)
        for column, numbers in enumerate(CLASSES.values()):
            self._words[[rows[number] for number in numbers if number in rows], column] = 1.0

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes) -> CompactClassifier:
        """From a safetensors file or its bytes. Digests are the catalogue's business.

        Raises:
            InputError: Not weights of this network.
        """
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        try:
            stored, about = read_tensors(data)
            classes = tuple(int(number) for number in json.loads(about["classes"]))
            net = EfficientNetLite(EfficientNetLiteConfig(kinds=len(classes)))
            net.load_state_dict(_unpacked(stored, net.state_dict()))
        except (MissingResourceError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise InputError(f"these are not the weights of the compact classifier: {error}") from error
        return cls(net, classes, hashlib.sha256(data).hexdigest()[:12])

    @property
    def summary_size(self) -> int:
        """Numbers in the summary of a picture."""
        return self._net.config.features

    def look(self, pixels: Pixels) -> tuple[Floats, Floats]:
        """The summary ``(summary_size,)`` of an RGB picture ``(H, W, 3)``, and the probability of each of its kinds."""
        height, width = pixels.shape[:2]
        scale = (INPUT_AREA / (height * width)) ** 0.5
        rows, columns = (max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (height, width))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        seen = np.asarray(cv2.resize(pixels, (columns, rows), interpolation=how))
        with torch.inference_mode():
            picture = torch.from_numpy(seen).permute(2, 0, 1)[None].float()
            features, evidence = self._net(picture.contiguous(memory_format=torch.channels_last))
            return features[0].numpy(), torch.softmax(evidence[0], dim=0).numpy()

    def words(self, likely: Floats) -> dict[str, float]:
        """Probability of each word of :data:`classifier_kinds.CLASSES`, given those of the kinds."""
        return dict(zip(CLASSES, (likely @ self._words).tolist(), strict=True))


def bits_of(name: str, weight: Tensor) -> int:
    """In how many bits a layer's weights are kept; 0: as they are."""
    if weight.ndim < 2 or weight.numel() < LEAST_PACKED:
        return 0
    if name.startswith("kinds."):
        return KINDS_BITS
    return DEPTHWISE_BITS if weight.ndim == 4 and weight.shape[1] == 1 else BITS


def _unpacked(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {}
    for name, there in wanted.items():
        bits = bits_of(name, there)
        value = stored[name]
        found[name] = unpack(value, stored[f"{name}.scale"], tuple(there.shape), bits) if bits else value.float()
    return found
