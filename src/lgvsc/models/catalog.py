"""Which models there are: one record for each, with its role, its loader, its weights' digest and its licence.

The records lie in ``catalog.toml``. After an asset changed, ``python -m lgvsc.models.catalog`` writes the sizes and
digests anew; nothing else ever writes there.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import Any

from lgvsc.errors import ConfigError, UnknownModelError
from lgvsc.models.card import ASSETS, HUB_ID, ModelCard, as_toml, make_card, parsed, read_cards
from lgvsc.models.hub import missing_library, pinned, snapshot, weights_folder

PIPELINE_INDEX = "model_index.json"
# What reads a folder of weights, by the model_type that its config.json states.
LOADERS = {
    "internvl": "lgvsc.semantics.backends.large.internvl:load",
    "qwen3_vl": "lgvsc.semantics.backends.large.qwen:load",
    "smolvlm": "lgvsc.semantics.backends.large.smolvlm:load",
    "video_llava": "lgvsc.semantics.backends.large.video_captioners:load_video_llava",
    "llava": "lgvsc.semantics.backends.large.video_captioners:load_pllava",
}
# The same for a pipeline of diffusers, by the class that its model_index.json states.
PIPELINES = {
    "WanVACEPipeline": "lgvsc.world.backends.diffusers.wan:load_vace",
    "WanImageToVideoPipeline": "lgvsc.world.backends.diffusers.wan:load_images",
    "WanPipeline": "lgvsc.world.backends.diffusers.wan:load_images",
    "LTXConditionPipeline": "lgvsc.world.backends.diffusers.ltx:load_ltx",
}
# Networks in a folder that take no settings, and whose loaders ask for a library themselves: role and loader, by
# model_type.
ACTIONS = ("metric", "lgvsc.metrics.actions:load_classifier")
OWN = {
    "centernet": ("detector", "lgvsc.semantics.backends.compact.detector:CompactDetector.load_folder"),
    "depth_anything": ("metric", "lgvsc.metrics.depth:load_depth"),
    "timesformer": ACTIONS,
    "videomae": ACTIONS,
    "vivit": ACTIONS,
}
CAUSAL = "ForCausalLM"  # how the names of language models end that continue a text, and see nothing
HEADER = (
    "# Every model. Sizes and digests are written by `python -m lgvsc.models.catalog`; the rest is written by hand.\n"
)


@cache
def catalog() -> Mapping[str, ModelCard]:
    """All models by name, as shipped."""
    return read_cards((files("lgvsc.models") / "catalog.toml").read_text("utf-8"))


def find(name: str) -> ModelCard:
    """The card of one model: by its name, by its hub id, or by the folder that holds its weights.

    A hub id may end in ``@`` and a revision. One that the catalogue does not have is found where its files already
    lie on this machine.

    Raises:
        UnknownModelError: There is none of this name; the message has near misses.
    """
    cards = catalog()
    if name in cards:
        return cards[name]
    if Path(name).is_dir():
        return card_of_folder(Path(name))
    hub, _, revision = name.partition("@")
    known = next((card for card in cards.values() if card.hub == hub), None)
    if known:
        return replace(known, revision=revision or known.revision)
    if HUB_ID.fullmatch(hub):
        return card_of_hub(hub, revision or None)
    near = get_close_matches(name, cards, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(cards))}"
    raise UnknownModelError(f"no model is called {name!r}; {hint}")


def card_of_folder(folder: Path) -> ModelCard:
    """The card of a model that somebody put into a folder, read from its ``config.json`` or ``model_index.json``.

    Raises:
        UnknownModelError: No such file there, or a kind of model that lgvsc has no loader for.
    """
    if (folder / PIPELINE_INDEX).is_file():
        return card_of_pipeline(folder)
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text("utf-8"))
        kind = str(found["model_type"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnknownModelError(f"{folder} holds no model: {path.name} cannot be read ({error})") from error
    if kind in OWN:
        role, loader = OWN[kind]
        return ModelCard(
            name=folder.name,
            role=role,
            loader=loader,
            licence="see the folder",
            source=str(folder),
            summary=f"A {kind} from a folder.",
            folder=str(folder),
        )
    if any(str(name).endswith(CAUSAL) for name in found.get("architectures") or ()):
        return ModelCard(
            name=folder.name,
            role="judge",
            loader="lgvsc.semantics.backends.large.text_judges:load_folder",
            licence="see the folder",
            source=str(folder),
            summary=f"A {kind} from a folder, asked yes or no about two descriptions.",
            folder=str(folder),
            extra="judges",
            settings=True,
        )
    if kind not in LOADERS:
        note = "; convert it first: lgvsc models convert" if kind == "internvl_chat" else ""
        raise UnknownModelError(f"{folder} holds a {kind!r}; lgvsc reads {', '.join((*LOADERS, *OWN))}{note}")
    return ModelCard(
        name=folder.name,
        role="captioner" if kind in ("video_llava", "llava") else "vision_language",
        loader=LOADERS[kind],
        licence="see the folder",
        source=str(folder),
        summary=f"A {kind} from a folder.",
        folder=str(folder),
        extra="paper",
        settings=True,
    )


def card_of_pipeline(folder: Path) -> ModelCard:
    """The card of a pipeline of diffusers in a folder.

    Raises:
        UnknownModelError: Its index cannot be read, or lgvsc has no loader for its kind.
    """
    path = folder / PIPELINE_INDEX
    try:
        kind = str(json.loads(path.read_text("utf-8"))["_class_name"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnknownModelError(f"{folder} holds no pipeline: {path.name} cannot be read ({error})") from error
    if kind not in PIPELINES:
        raise UnknownModelError(f"{folder} holds a {kind!r}; lgvsc reads {', '.join(PIPELINES)}")
    return ModelCard(
        name=folder.name,
        role="world_model",
        loader=PIPELINES[kind],
        licence="see the folder",
        source=str(folder),
        summary=f"A {kind} from a folder.",
        folder=str(folder),
        extra="modern",
        library="diffusers",
        settings=True,
    )


def card_of_hub(hub: str, revision: str | None) -> ModelCard:
    """The card of a model that is not in the catalogue, from its files in the hub's cache.

    Raises:
        UnknownModelError: It was never fetched to this machine, so nothing is known of it.
    """
    folder = snapshot(hub, revision)
    if folder is None:
        known = sorted(card.hub for card in catalog().values() if card.hub)
        near = get_close_matches(hub, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the catalogue has {', '.join(known)}"
        raise UnknownModelError(f"{hub!r} is neither in the catalogue nor on this machine; {hint}")
    return replace(card_of_folder(folder), name=hub, source=f"hub: {hub}", revision=folder.name)


def load(name: str, settings: Any = None) -> Any:
    """Make the model: verify or find its weights, import its loader, call it.

    Args:
        settings: What is set for models of its kind; handed on to loaders that take it.

    Raises:
        UnknownModelError: No such model.
        MissingResourceError: Its weights are not there or not what they should be, or a library is missing.
    """
    from lgvsc.models.weights import load_asset

    card = find(name)
    module, function = card.loader.split(":")
    make = attrgetter(function)(import_module(module))
    if card.file:
        found: tuple[Any, ...] = (load_asset(card),)
    else:
        missing_library(card)
        found = (weights_folder(card),) if card.hub or card.folder else ()
    return make(*found, settings) if card.settings else make(*found)


def card_text(name: str) -> str:
    """What people should know of a model, in Markdown: its record, and its own page where there is one."""
    card = find(name)
    facts = [f"# {card.name}", "", card.summary, "", f"- role: {card.role}", f"- weights: {weights_text(card)}"]
    facts += [f"- licence: {card.licence}", f"- source: {card.source}", f"- loader: `{card.loader}`"]
    page = files("lgvsc.models") / "cards" / f"{card.name}.md"
    if page.is_file():
        lines = page.read_text("utf-8").strip().splitlines()
        own = lines[1:] if lines and lines[0].startswith("# ") else lines
        facts += ["", *own]
    return "\n".join(facts).replace("\n\n\n", "\n\n").rstrip() + "\n"


def weights_text(card: ModelCard) -> str:
    """Where the weights of a model are and how large, in words."""
    if card.file:
        words = f"`{card.file}`, {card.size_bytes / 1e6:.2f} MB, sha256 `{card.sha256}`"
    elif card.hub:
        pin = pinned(card.hub)
        first = f"{pin.revision}, pinned {pin.day}" if pin else "newest at the first fetch, then pinned"
        words = f"hub id `{card.hub}`, revision {card.revision or first}"
        words += f", about {card.size_bytes / 1e9:.1f} GB, {card.memory_gb:g} GB of memory"
        words += ", gated: accept its terms on the hub and set HF_TOKEN" if card.gated else ""
    elif card.folder:
        found = [path for path in sorted(Path(card.folder).rglob("*.safetensors")) if path.is_file()]
        size = sum(path.stat().st_size for path in found)
        words = f"{len(found)} file{'s' * (len(found) != 1)} of safetensors in `{card.folder}`, {in_bytes(size)}"
    elif card.parts:
        together = in_bytes(sum(find(part).size_bytes for part in card.parts))
        return f"those of {', '.join(card.parts)}, {together} together; {card.memory_gb:g} GB of memory"
    else:
        return "those of the server that runs it" if card.served else "none"
    if card.parts:
        words += f"; it needs those of {', '.join(card.parts)} too"
    if card.package:
        words += f", converted from `{card.package}` (archive sha256 `{card.package_sha256}`)"
    return words


def in_bytes(size: int) -> str:
    """A size with its unit."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def refreshed(text: str, assets: Path) -> str:
    """The catalogue with size and digest of every asset as it lies in ``assets``.

    Raises:
        ConfigError: A file that the catalogue names is not there.
    """
    cards: list[ModelCard] = []
    for name, entry in parsed(text).items():
        measured = ("file", "sha256", "size_bytes") if "file" in entry else ()
        card = make_card(name, {key: value for key, value in entry.items() if key not in measured})
        if "file" in entry:
            path = assets / entry["file"]
            if not path.is_file():
                raise ConfigError(f"model {name!r} names {entry['file']}, which is not in {assets}")
            data = path.read_bytes()
            card = replace(card, file=entry["file"], sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        cards.append(card)
    return HEADER + "".join(as_toml(card) for card in cards)


if __name__ == "__main__":
    here = Path(__file__).parent
    path = here / "catalog.toml"
    path.write_text(refreshed(path.read_text("utf-8"), here / ASSETS), encoding="utf-8")
    sys.stdout.write(f"{path} is up to date\n")
