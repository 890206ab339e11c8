"""Open-Sora 1.2 from files: where its three parts lie, and reading them strictly."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lgvsc.errors import ConfigError, MissingResourceError
from lgvsc.models.catalog import catalog
from lgvsc.models.hub import snapshot, weights_folder
from lgvsc.models.weights import read_folder
from lgvsc.nets.opensora_vae import OpenSoraVAE
from lgvsc.nets.stdit3 import STDiT3
from lgvsc.world.backends.opensora.opensora import OpenSora, OpenSoraConfig, OpenSoraNetworks
from lgvsc.world.backends.opensora.t5 import T5Captions

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where each part lies."""

    transformer: Path
    vae: Path
    text_encoder: Path


def load(config: OpenSoraConfig) -> OpenSora:
    """The world model of a configuration: its weights are found now and read when the first segment is made.

    Raises:
        MissingResourceError: A part of the weights is not on this machine.
    """
    folders = find_folders(config)
    return OpenSora(lambda: load_networks(folders, config), config)


def find_folders(config: OpenSoraConfig) -> Folders:
    """Look for all parts, without reading them.

    Raises:
        MissingResourceError: Parts are not here; the message has the command that brings each.
    """
    folders: list[Path] = []
    missing: list[str] = []
    for part in (config.transformer, config.vae, config.text_encoder):
        try:
            folders.append(find_folder(part))
        except MissingResourceError as error:
            missing.append(str(error))
    if missing:
        raise MissingResourceError("; ".join(missing))
    return Folders(*folders)


def find_folder(name: str) -> Path:
    """The folder of a part: a folder itself, a name or hub id of the catalogue, or what was fetched from the hub."""
    if Path(name).is_dir():
        return Path(name)
    hub, _, revision = name.partition("@")
    card = next((card for card in catalog().values() if name == card.name or hub == card.hub), None)
    if card is not None and not revision:
        return weights_folder(card)
    folder = snapshot(hub, revision or None) if hub.count("/") == 1 else None
    if folder is None:
        raise MissingResourceError(
            f"{name!r} is no folder, no model of the catalogue, and nothing that was fetched from the hub; "
            "lgvsc models list shows the names, lgvsc models pull NAME fetches one"
        )
    return folder


def load_networks(folders: Folders, config: OpenSoraConfig) -> OpenSoraNetworks:
    """Read all parts and put them where they run."""
    device = find_device(config.device)
    dtype = getattr(torch, config.precision)
    transformer = load_transformer(folders.transformer).to(device, dtype)
    text = T5Captions.from_folder(
        folders.text_encoder,
        dtype=getattr(torch, config.text_precision),
        device=device,
        placement=config.text_placement,
        max_tokens=len(transformer.y_embedder.y_embedding),
    )
    vae = load_vae(folders.vae).to(device, dtype)
    return OpenSoraNetworks(transformer, vae, text, device, dtype)


def find_device(name: str) -> torch.device:
    """The device of a name; ``"auto"`` is the GPU where there is one.

    Raises:
        ConfigError: There is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"opensora.device is {name!r}, which this machine does not have: {error}") from error


def load_transformer(folder: Path) -> STDiT3:
    """The transformer, its size read from the weights themselves."""
    weights = read_folder(folder)
    return strictly(lambda: STDiT3(**transformer_config(weights, read_config(folder))), weights, folder)


def load_vae(folder: Path) -> OpenSoraVAE:
    """The autoencoders. ``spatial`` and ``temporal`` in ``config.json`` are their sizes, else the published ones."""
    config = read_config(folder)
    return strictly(lambda: OpenSoraVAE(config.get("spatial"), config.get("temporal")), read_folder(folder), folder)


def transformer_config(weights: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Any]:
    """Every size that the weights tell; the one that they do not is in the configuration, or as published.

    Raises:
        KeyError, IndexError: These are not the weights of an STDiT3.
    """
    width, in_channels, *patch = weights["x_embedder.proj.weight"].shape
    rows, caption_channels = weights["y_embedder.y_embedding"].shape
    outputs = weights["final_layer.linear.weight"].shape[0]
    return {
        "depth": len({key.split(".")[1] for key in weights if key.startswith("spatial_blocks.")}),
        "hidden_size": width,
        "num_heads": width // (2 * len(weights["rope.freqs"])),
        "in_channels": in_channels,
        "patch_size": tuple(patch),
        "caption_channels": caption_channels,
        "model_max_length": rows,
        "qk_norm": "spatial_blocks.0.attn.q_norm.weight" in weights,
        "pred_sigma": outputs == 2 * in_channels * math.prod(patch),
        "input_sq_size": config.get("input_sq_size", 512),
        "mlp_ratio": weights["spatial_blocks.0.mlp.fc1.weight"].shape[0] / width,
    }


def strictly(make: Callable[[], Network], weights: dict[str, Tensor], folder: Path) -> Network:
    """A network with exactly these weights, without filling it with others first.

    Raises:
        MissingResourceError: Names or shapes differ.
    """
    try:
        with torch.device("meta"):
            network = make()
        network.load_state_dict(weights, strict=True, assign=True)
    except (RuntimeError, KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        first = [line.strip() for line in str(error).splitlines() if line.strip()][:3]
        raise MissingResourceError(
            f"the weights in {folder} are not those of Open-Sora 1.2: {' '.join(first)}"
        ) from error
    return network.eval().requires_grad_(False)


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's ``config.json``; empty where there is none."""
    path = folder / "config.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise MissingResourceError(f"{path} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}
