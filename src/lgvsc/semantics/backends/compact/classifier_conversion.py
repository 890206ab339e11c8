"""From the published weights of EfficientNet-Lite0 (PyTorch) to the file that the compact classifier is read from."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import torch
from torch import Tensor

from lgvsc.core.files import atomic_write
from lgvsc.errors import InputError
from lgvsc.models.packing import pack
from lgvsc.nets.efficientnet_lite import EfficientNetLite
from lgvsc.semantics.backends.compact.classifier import bits_of
from lgvsc.semantics.backends.compact.classifier_kinds import KEPT, PUBLISHED

EPSILON = 1e-3  # of the published network's batch normalisation


def convert_classifier(source: Path, target: Path) -> None:
    """Write the network (safetensors, weights of most layers packed) from a ``.pth`` file of tensors by name.

    Nothing but tensors and plain values is unpickled. Of a thousand classes
    those of :data:`classifier_kinds.KEPT` stay.

    Raises:
        InputError: Not the weights of an EfficientNet-Lite0.
    """
    from safetensors.torch import save

    try:
        published = torch.load(source, map_location="cpu", weights_only=True)
        tensors = classifier_tensors(published)
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{source} is not the published EfficientNet-Lite0: {error!r}") from error
    stored: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if bits := bits_of(name, value):
            stored[name], stored[f"{name}.scale"] = pack(value, bits)
        else:
            stored[name] = value.half().contiguous()
    with atomic_write(target) as file:
        file.write(save(stored, metadata={"classes": json.dumps(KEPT)}))


def classifier_tensors(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of an :class:`~lgvsc.nets.efficientnet_lite.EfficientNetLite` with the kinds that are kept, float32."""
    found: dict[str, Tensor] = {}
    net = EfficientNetLite()

    def fold(ours: str, convolution: str, normalisation: str) -> None:
        gain = published[f"{normalisation}.weight"] / (published[f"{normalisation}.running_var"] + EPSILON).sqrt()
        found[f"{ours}.weight"] = published[f"{convolution}.weight"] * gain[:, None, None, None]
        found[f"{ours}.bias"] = published[f"{normalisation}.bias"] - published[f"{normalisation}.running_mean"] * gain

    fold("stem", "_conv_stem", "_bn0")
    for index, block in enumerate(net.blocks):
        there = f"_blocks.{index}"
        if block.expand is not None:
            fold(f"blocks.{index}.expand", f"{there}._expand_conv", f"{there}._bn0")
        fold(f"blocks.{index}.depthwise", f"{there}._depthwise_conv", f"{there}._bn1")
        fold(f"blocks.{index}.project", f"{there}._project_conv", f"{there}._bn2")
    fold("last", "_conv_head", "_bn1")
    rows = torch.tensor(KEPT)
    if published["_fc.weight"].shape != (PUBLISHED, net.config.features):
        raise TypeError(f"{tuple(published['_fc.weight'].shape)} weights of kinds")
    found["kinds.weight"], found["kinds.bias"] = published["_fc.weight"][rows], published["_fc.bias"][rows]
    return {name: value.float() for name, value in found.items()}
