"""From the published graph of MobileNetV3-CenterNet (TensorFlow.js) to the tensors of :mod:`lgvsc.nets.centernet`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.core.files import atomic_write
from lgvsc.errors import InputError
from lgvsc.nets.centernet import CenterNet
from lgvsc.semantics.backends.compact.detector import FOLDER_CONFIG, FOLDER_KIND, FOLDER_WEIGHTS, INPUT_SIDE

_TYPES = {"float16": np.float16, "float32": np.float32, "int32": np.int32}
# Our names, as patterns, and what the graph calls them. Convolutions carry their batch normalisation as an offset.
_NAMES = (
    (r"stem\.conv", "MobilenetV3/Conv/Conv2D"),
    (r"last\.conv", "extern1/Conv2D"),
    (r"stages\.(\d+)\.(expand|project)\.conv", r"MobilenetV3/expanded_conv_\1/\2/Conv2D"),
    (r"stages\.(\d+)\.depthwise\.conv", r"MobilenetV3/expanded_conv_\1/depthwise/depthwise"),
    (r"stages\.(\d+)\.gate\.squeeze", r"MobilenetV3/expanded_conv_\1/squeeze_excite/Conv"),
    (r"stages\.(\d+)\.gate\.excite", r"MobilenetV3/expanded_conv_\1/squeeze_excite/Conv_1"),
    (r"lateral\.(\d)\.reduce", r"CenternetHead/c<\1+2>_reverse/1x1/Conv2D"),
    (r"lateral\.(\d)\.widen\.depthwise", r"CenternetHead/c<\1+2>_reverse/3x3/depthwise"),
    (r"lateral\.(\d)\.widen\.pointwise", r"CenternetHead/c<\1+2>_reverse/3x3/separable_conv2d"),
    (r"upward\.(\d)\.small\.depthwise", r"CenternetHead/c<\1+3>_upsample/branch_x_upsample_resize/depthwise"),
    (r"upward\.(\d)\.small\.pointwise", r"CenternetHead/c<\1+3>_upsample/branch_x_upsample_resize/separable_conv2d"),
    (r"upward\.(\d)\.large\.depthwise", r"CenternetHead/c<\1+3>_upsample/branch_y_upsample_resize/depthwise"),
    (r"upward\.(\d)\.large\.pointwise", r"CenternetHead/c<\1+3>_upsample/branch_y_upsample_resize/separable_conv2d"),
    (r"squeeze\.conv", "CenternetHead/conv1x1_se_a/Conv2D"),
    (r"excite", "CenternetHead/conv1x1_se_b"),
    (r"(middles|sides)\.(depthwise|pointwise)", r"CenternetHead/centernet_<\1>_output/\2"),
)
_HEADS = {"middles": "cls", "sides": "wh"}


def convert_detector(graph: Path, target: Path) -> None:
    """Write the network (safetensors, float16) from a graph's JSON file and the binary file beside it.

    Args:
        target: A file that ends in ``.safetensors``; or a folder, which can be named wherever a detector is.

    Raises:
        InputError: Not the graph of a MobileNetV3-CenterNet, or its weights are not whole.
    """
    from safetensors.torch import save

    tensors = centernet_tensors(read_graph_weights(graph))
    if target.suffix == ".safetensors":
        with atomic_write(target) as file:
            file.write(save(tensors))
        return
    target.mkdir(parents=True, exist_ok=True)
    with atomic_write(target / FOLDER_WEIGHTS) as file:
        file.write(save(tensors))
    with atomic_write(target / FOLDER_CONFIG) as file:
        file.write((json.dumps({"model_type": FOLDER_KIND, "input_side": INPUT_SIDE}, indent=1) + "\n").encode())


def read_graph_weights(graph: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a TensorFlow.js graph model, by name."""
    try:
        groups = json.loads(graph.read_text("utf-8"))["weightsManifest"]
        found: dict[str, NDArray[Any]] = {}
        for group in groups:
            data = b"".join((graph.parent / Path(file).name).read_bytes() for file in group["paths"])
            start = 0
            for weight in group["weights"]:
                kind = _TYPES[weight.get("quantization", weight)["dtype"]]
                count = int(np.prod(weight["shape"], dtype=np.int64))
                array = np.frombuffer(data, kind, count, start)
                found[weight["name"].removeprefix("tower_0/")] = array.reshape(weight["shape"])
                start += array.nbytes
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{graph} is no whole TensorFlow.js graph model: {error!r}") from error
    return found


def centernet_tensors(weights: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The state of a :class:`~lgvsc.nets.centernet.CenterNet` in float16."""
    tensors = {}
    for name, there in CenterNet().state_dict().items():
        array = _find(weights, _graph_name(name), bias=name.endswith("bias"))
        if array.ndim == 4:  # (H, W, in, out), depthwise (H, W, channels, 1)
            array = array.transpose((2, 3, 0, 1) if "depthwise" in name else (3, 2, 0, 1))
        if array.shape != tuple(there.shape):
            raise InputError(f"the graph's weights for {name} are {array.shape}, not {tuple(there.shape)}")
        tensors[name] = torch.from_numpy(array.astype(np.float16, order="C"))
    return tensors


def _graph_name(name: str) -> str:
    stem = name.rsplit(".", 1)[0]
    pattern, template = next(pair for pair in _NAMES if re.fullmatch(pair[0], stem))
    graph = re.sub(pattern, template, stem)
    graph = re.sub(r"<(\d)\+(\d)>", lambda m: str(int(m[1]) + int(m[2])), graph)
    graph = re.sub(r"<(\w+)>", lambda m: _HEADS[m[1]], graph)
    return graph.replace("expanded_conv_0/", "expanded_conv/")


def _find(weights: dict[str, NDArray[Any]], stem: str, *, bias: bool) -> NDArray[Any]:
    endings = ("_bn_offset", "/biases") if bias else ("_weights", "/weights")
    spellings = [stem + ending for ending in endings]
    spellings += [stem.rsplit("/", 1)[0] + "/biases"] if bias else []
    for spelling in spellings:
        if spelling in weights:
            return weights[spelling]
    raise InputError(f"the graph has no {spellings[0]}: it is not MobileNetV3-CenterNet")
