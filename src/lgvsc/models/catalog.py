"""Which models there are: one record for each, with its role, its loader, its weights' digest and its licence.

The records lie in ``catalog.toml``. After an asset changed, ``python -m lgvsc.models.catalog`` writes the sizes and
digests anew; nothing else ever writes there.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import Any

from lgvsc.errors import ConfigError, UnknownModelError

ROLES = (
    "captioner",
    "detector",
    "judge",
    "vision_language",
    "text_coder",
    "picture_codec",
    "sketch_extractor",
    "sketch_codec",
    "frame_differences",
    "sketch_to_frame",
    "world_model",
    "world_model_part",
    "metric",
)
ASSETS = "assets"
PIPELINE_INDEX = "model_index.json"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
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
HEADER = (
    "# Every model. Sizes and digests are written by `python -m lgvsc.models.catalog`; the rest is written by hand.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What must be known about a model before any of it is loaded.

    Attributes:
        role: What it does in the link, one of :data:`ROLES`; ``vision_language`` is captioner and judge in one.
        loader: ``"package.module:function"``, imported on use so that heavy libraries load late. The function
            may be a class or a class method; it takes the verified bytes of the asset, or the folder of the
            weights, or nothing where there are none; and then the settings, where ``settings`` says so.
        licence, source: Terms of the weights and where they come from; of the code where there are no weights.
        summary: One sentence.
        file: Asset inside the package. ``None``: the component computes and has no weights.
        sha256: Digest of the asset, all 64 hex digits. ``None`` exactly where ``file`` is.
        size_bytes: Size of the asset, or roughly of what is fetched.
        revision: Which version of the weights, where the source has versions. ``None`` for weights from the hub:
            the newest at the first fetch, which is pinned then, see :mod:`lgvsc.models.hub`.
        hub: Repository on the model hub, ``"owner/name"``. ``None``: the weights are no affair of the hub.
        folder: Where the weights lie, for a model that was named by its folder.
        convert: Whether what the hub has must be rewritten by ``lgvsc models convert`` before it can be used.
        gated: Whether the hub wants terms accepted and a token.
        memory_gb: What a run needs, on the GPU or without one, in 10^9 bytes; 0 where nobody would notice.
        extra: Name of the optional dependencies that it needs, as in ``pip install 'lgvsc[extra]'``.
        library: Which of them runs it; ``None`` is transformers.
        settings: Whether the loader takes the settings of its kind.
        package: The package, ``"name==version"``, out of whose archive the asset was converted with ``lgvsc models
            convert``; ``None`` where the asset was not.
        package_sha256: Digest of that archive.
    """

    name: str
    role: str
    loader: str
    licence: str
    source: str
    summary: str = ""
    file: str | None = None
    sha256: str | None = None
    size_bytes: int = 0
    revision: str | None = None
    hub: str | None = None
    folder: str | None = None
    convert: bool = False
    gated: bool = False
    memory_gb: float = 0.0
    extra: str | None = None
    library: str | None = None
    settings: bool = False
    package: str | None = None
    package_sha256: str | None = None

    @property
    def shipped(self) -> bool:
        """Whether everything it needs comes with the package."""
        return self.hub is None and self.folder is None and self.extra is None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigError(f"model {self.name!r} has the role {self.role!r}; roles are {', '.join(ROLES)}")
        if self.loader.count(":") != 1:
            raise ConfigError(f"model {self.name!r}: loader is {self.loader!r}, not 'package.module:function'")
        if self.hub is not None and (self.file is not None or not HUB_ID.fullmatch(self.hub)):
            raise ConfigError(f"model {self.name!r}: {self.hub!r} is not 'owner/name', or it has a file as well")
        if self.file is None and (self.sha256 is not None or (self.size_bytes and not self.hub)):
            raise ConfigError(f"model {self.name!r} has a digest or a size but no file")
        if self.file is not None and not (is_digest(self.sha256) and self.size_bytes > 0):
            raise ConfigError(f"model {self.name!r}: {self.file} needs its full sha256 and its size")
        if (self.package is None) != (self.package_sha256 is None) or (
            self.package and not is_digest(self.package_sha256)
        ):
            raise ConfigError(f"model {self.name!r}: the package it came from needs a full package_sha256")
        if self.file is not None and (Path(self.file).name != self.file or Path(self.file).suffix != ".safetensors"):
            raise ConfigError(f"model {self.name!r}: {self.file!r} is not the plain name of a .safetensors file")

    def as_json(self) -> dict[str, Any]:
        """The record as plain JSON types."""
        return asdict(self)


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
        kind = str(json.loads(path.read_text("utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnknownModelError(f"{folder} holds no model: {path.name} cannot be read ({error})") from error
    if kind not in LOADERS:
        note = "; convert it first: lgvsc models convert" if kind == "internvl_chat" else ""
        raise UnknownModelError(f"{folder} holds a {kind!r}; lgvsc reads {', '.join(LOADERS)}{note}")
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
    from lgvsc.models.hub import snapshot

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
    from lgvsc.models.hub import weights_folder
    from lgvsc.models.weights import load_asset

    card = find(name)
    module, function = card.loader.split(":")
    make = attrgetter(function)(import_module(module))
    if card.file:
        found: tuple[Any, ...] = (load_asset(card),)
    else:
        found = (weights_folder(card),) if card.hub or card.folder else ()
    return make(*found, settings) if card.settings else make(*found)


def card_text(name: str) -> str:
    """What people should know of a model, in Markdown: its record, and its own page where there is one."""
    card = find(name)
    weights = f"`{card.file}`, {card.size_bytes / 1e6:.2f} MB, sha256 `{card.sha256}`" if card.file else "none"
    if card.hub:
        from lgvsc.models.hub import pinned

        pin = pinned(card.hub)
        first = f"{pin.revision}, pinned {pin.day}" if pin else "newest at the first fetch, then pinned"
        weights = f"hub id `{card.hub}`, revision {card.revision or first}"
        weights += f", about {card.size_bytes / 1e9:.1f} GB, {card.memory_gb:g} GB of memory"
        weights += ", gated: accept its terms on the hub and set HF_TOKEN" if card.gated else ""
    if card.package:
        weights += f", converted from `{card.package}` (archive sha256 `{card.package_sha256}`)"
    facts = [f"# {card.name}", "", card.summary, "", f"- role: {card.role}", f"- weights: {weights}"]
    facts += [f"- licence: {card.licence}", f"- source: {card.source}", f"- loader: `{card.loader}`"]
    page = files("lgvsc.models") / "cards" / f"{card.name}.md"
    if page.is_file():
        lines = page.read_text("utf-8").strip().splitlines()
        own = lines[1:] if lines and lines[0].startswith("# ") else lines
        facts += ["", *own]
    return "\n".join(facts).replace("\n\n\n", "\n\n").rstrip() + "\n"


def read_cards(text: str) -> dict[str, ModelCard]:
    """Cards from TOML, one table for each.

    Raises:
        ConfigError: Not TOML, an unknown key, or a record that contradicts itself.
    """
    return {name: make_card(name, entry) for name, entry in parsed(text).items()}


def make_card(name: str, entry: Mapping[str, Any]) -> ModelCard:
    known = {field.name for field in fields(ModelCard)} - {"name"}
    if not isinstance(entry, Mapping):
        raise ConfigError(f"model {name!r} is {str(entry)[:40]!r}, but a model is a table of its own")
    for key in entry:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            raise ConfigError(f"model {name!r} has the unknown key {key!r}" + (f"; {near[0]}?" if near else ""))
    try:
        return ModelCard(name=name, **entry)
    except (TypeError, AttributeError) as error:  # a key is missing, or has a value of another kind
        raise ConfigError(f"model {name!r} is incomplete: {error}") from error


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


def as_toml(card: ModelCard) -> str:
    """One table; what has no value has no line."""
    lines = [f'\n["{card.name}"]' if "." in card.name else f"\n[{card.name}]"]
    for key, value in card.as_json().items():
        if key == "name" or value in (None, "", 0):
            continue
        escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
        number = str(value).lower() if isinstance(value, bool) else str(value)
        lines.append(f"{key} = {number}" if isinstance(value, int | float) else f'{key} = "{escaped}"')
    return "\n".join(lines) + "\n"


def parsed(text: str) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the model catalogue is not TOML: {error}") from error


def is_digest(value: str | None) -> bool:
    return value is not None and len(value) == 64 and all(c in "0123456789abcdef" for c in value)


if __name__ == "__main__":
    here = Path(__file__).parent
    path = here / "catalog.toml"
    path.write_text(refreshed(path.read_text("utf-8"), here / ASSETS), encoding="utf-8")
    sys.stdout.write(f"{path} is up to date\n")
