"""Weights from disk: inside the package, safetensors only, the full digest checked on every load."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from torch import Tensor

from lgvsc.errors import MissingResourceError
from lgvsc.models.card import ASSETS, ModelCard

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


def header(data: bytes) -> dict[str, Any]:
    """The JSON header of a safetensors file: eight bytes of length, little-endian, then the header."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, MAX_HEADER_BYTES):
        raise ValueError("its header is longer than the file")
    found: dict[str, Any] = json.loads(data[8 : 8 + length])
    return found
