"""Weights from disk: inside the package, safetensors only, the full digest checked on every load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from lgvsc.errors import InputError, MissingResourceError
from lgvsc.models.card import ASSETS, ModelCard

Network = TypeVar("Network", bound=nn.Module)

MAX_HEADER_BYTES = 100_000_000  # the limit of the format's reference implementation


def load_asset(card: ModelCard, folder: Path | None = None) -> bytes:
    """The verified bytes of a model's asset.

    Args:
        folder: Where to look instead of inside the package.

    Raises:
        MissingResourceError: The model has no asset, the file is not there, or it is not the one that the
            catalogue describes.
    """
    if card.file is None or card.sha256 is None:
        raise MissingResourceError(f"{card.name} has no weights; there is nothing to load")
    place = (files("lgvsc.models") / ASSETS if folder is None else folder) / card.file
    if not place.is_file():
        raise MissingResourceError(
            f"the weights of {card.name} ({card.file}) are not in the package; install lgvsc again"
        )
    data = place.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise MissingResourceError(
            f"{card.file} is not what was shipped: {len(data)} bytes with sha256 {found[:12]}..., the catalogue says "
            f"{card.size_bytes} bytes with {card.sha256[:12]}...; install lgvsc again"
        )
    return data


def asset_there(card: ModelCard, folder: Path | None = None) -> bool:
    """Whether a model's asset lies in the package, or in ``folder``; whether it is the right one, loading will tell."""
    return (
        card.file is not None and ((files("lgvsc.models") / ASSETS if folder is None else folder) / card.file).is_file()
    )


def read_tensors(data: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name and the metadata of a safetensors file.

    Raises:
        MissingResourceError: The bytes are not a safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data), header(data).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise MissingResourceError(f"this is not a safetensors file: {error}") from error


def read_network(data: bytes, what: str, make: Callable[[Mapping[str, str]], Network]) -> Network:
    """A network with exactly the tensors of a safetensors file, computed with in float32 whatever is stored.

    Args:
        what: Whose weights they should be, as in "a compact DVST"; for the message.
        make: Makes the network, in the size that the file's metadata states.

    Raises:
        InputError: These are not weights of this network.
    """
    try:
        tensors, metadata = read_tensors(data)
        net = make(metadata)
        net.load_state_dict({name: value.float() for name, value in tensors.items()})
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, MissingResourceError) as error:
        raise InputError(f"these are not the weights of {what}: {error}") from error
    return net


def read_folder(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder's safetensors files, mapped and not copied.

    Raises:
        MissingResourceError: There are none, or they are damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise MissingResourceError(f"{folder} has no safetensors file; lgvsc opens no others")
    weights: dict[str, Tensor] = {}
    for file in found:
        try:
            weights |= load_file(file)
        except (OSError, SafetensorError) as error:
            raise MissingResourceError(f"{file} cannot be read: {error}") from error
    return weights


def header(data: bytes) -> dict[str, Any]:
    """The JSON header of a safetensors file: eight bytes of length, little-endian, then the header."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, MAX_HEADER_BYTES):
        raise ValueError("its header is longer than the file")
    found: dict[str, Any] = json.loads(data[8 : 8 + length])
    return found
