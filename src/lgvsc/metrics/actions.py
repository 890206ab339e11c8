"""Action classification: whether the first, or one of the first five, of a classifier's labels is the true one.

Any video classifier of the transformers library: TimeSformer (Bertasius et al. 2021), as Ma et al. 2026
(arXiv:2606.12899), Table IV, take, ViViT, VideoMAE. The weights do not ship.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lgvsc.core.video import Pixels
from lgvsc.errors import InputError
from lgvsc.metrics.network_input import NetworkInput, load_network

SIDE = 224  # where a checkpoint does not say


def hit(ranked: Sequence[str], truth: str, first: int) -> bool:
    """Whether the truth is among the ``first`` labels; case, underscores and spaces at the ends do not count.

    Raises:
        InputError: No label is called so, so that a miss would mean nothing.
    """
    names = [plain(label) for label in ranked]
    if plain(truth) not in names:
        raise InputError(f"the classifier has no label {truth!r}; it has {len(names)}, for example {ranked[0]!r}")
    return plain(truth) in names[:first]


def plain(label: str) -> str:
    """A label as it is compared."""
    return " ".join(label.replace("_", " ").casefold().split())


class ActionClassifier:
    """Labels of a clip, the likeliest first.

    Args:
        model: A video classifier of the transformers library, in evaluation mode.
        how: What it wants to see.
    """

    def __init__(self, model: Any, how: NetworkInput) -> None:
        self.model, self.how = model, how
        self.frames = int(model.config.num_frames)
        labels = model.config.id2label
        self.labels = [str(labels[place]) for place in sorted(labels, key=int)]

    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """All labels for a clip; the middles of as many equal parts are looked at as the network takes frames."""
        count, wanted = len(pictures), self.frames
        places = [min(count - 1, int((part + 0.5) * count / wanted)) for part in range(wanted)]
        batch = torch.stack([self.how.prepare(pictures[place]) for place in places])[None]
        with torch.inference_mode():
            scores = self.model(pixel_values=batch.to(self.model.device)).logits[0]
        return [self.labels[place] for place in scores.argsort(descending=True).tolist()]


@cache
def load_classifier(folder: Path) -> ActionClassifier:
    """A classifier from a folder, safetensors only.

    Raises:
        MissingResourceError: transformers is not installed.
        InputError: The folder holds no video classifier.
    """
    model = load_network(folder, "AutoModelForVideoClassification", "action classification", "video classifier")
    side = int(getattr(model.config, "image_size", SIDE))
    return ActionClassifier(model, NetworkInput.read(folder, side=side, square=True))
