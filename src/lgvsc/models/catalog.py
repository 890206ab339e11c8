"""Which models there are: one record for each, with its role, its loader, its weights' digest and its licence.

The records lie in ``catalog.toml``. After an asset changed, ``python -m lgvsc.models.catalog`` writes the sizes and
digests anew; nothing else ever writes there.
"""

from __future__ import annotations

import hashlib
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

ROLES = ("captioner", "judge", "text_coder", "picture_codec", "world_model")
ASSETS = "assets"
HEADER = (
    "# Every model. Sizes and digests are written by `python -m lgvsc.models.catalog`; the rest is written by hand.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What must be known about a model before any of it is loaded.

    Attributes:
        role: What it does in the link, one of :data:`ROLES`.
        loader: ``"package.module:function"``, imported on use so that heavy libraries load late. The function
            may be a class or a class method; it takes the verified bytes of the asset, or nothing where there is none.
        licence, source: Terms of the weights and where they come from; of the code where there are no weights.
        summary: One sentence.
        file: Asset inside the package. ``None``: the component computes and has no weights.
        sha256: Digest of the asset, all 64 hex digits. ``None`` exactly where ``file`` is.
        size_bytes: Size of the asset.
        revision: Which version of the weights, where the source has versions.
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

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigError(f"model {self.name!r} has the role {self.role!r}; roles are {', '.join(ROLES)}")
        if self.loader.count(":") != 1:
            raise ConfigError(f"model {self.name!r}: loader is {self.loader!r}, not 'package.module:function'")
        if self.file is None and (self.sha256 is not None or self.size_bytes):
            raise ConfigError(f"model {self.name!r} has a digest or a size but no file")
        if self.file is not None and not (is_digest(self.sha256) and self.size_bytes > 0):
            raise ConfigError(f"model {self.name!r}: {self.file} needs its full sha256 and its size")
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
    """The card of one model.

    Raises:
        UnknownModelError: There is none of this name; the message has near misses.
    """
    cards = catalog()
    if name in cards:
        return cards[name]
    near = get_close_matches(name, cards, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(cards))}"
    raise UnknownModelError(f"no model is called {name!r}; {hint}")


def load(name: str) -> Any:
    """Make the model: verify its asset, import its loader, call it.

    Raises:
        UnknownModelError: No such model.
        MissingResourceError: Its asset is not there or not what it should be.
    """
    from lgvsc.models.weights import load_asset

    card = find(name)
    module, function = card.loader.split(":")
    make = attrgetter(function)(import_module(module))
    return make(load_asset(card)) if card.file else make()


def card_text(name: str) -> str:
    """What people should know of a model, in Markdown: its record, and its own page where there is one."""
    card = find(name)
    weights = f"`{card.file}`, {card.size_bytes / 1e6:.2f} MB, sha256 `{card.sha256}`" if card.file else "none"
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
    for key in entry:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            raise ConfigError(f"model {name!r} has the unknown key {key!r}" + (f"; {near[0]}?" if near else ""))
    try:
        return ModelCard(name=name, **entry)
    except TypeError as error:
        raise ConfigError(f"model {name!r} is incomplete: {error}") from error


def refreshed(text: str, assets: Path) -> str:
    """The catalogue with size and digest of every asset as it lies in ``assets``.

    Raises:
        ConfigError: A file that the catalogue names is not there.
    """
    cards: list[ModelCard] = []
    for name, entry in parsed(text).items():
        bare = {key: value for key, value in entry.items() if key not in ("file", "sha256", "size_bytes")}
        card = make_card(name, bare)
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
        lines.append(f"{key} = {value}" if isinstance(value, int) else f'{key} = "{escaped}"')
    return "\n".join(lines) + "\n"


def parsed(text: str) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the model catalogue is not TOML: {error}") from error


def is_digest(value: str | None) -> bool:
    return value is not None and len(value) == 64 and all(c in "0123456789abcdef" for c in value)


if __name__ == "__main__":
    here = Path(__file__).parent
    path = here / "catalog.toml"
    path.write_text(refreshed(path.read_text("utf-8"), here / ASSETS), encoding="utf-8")
    sys.stdout.write(f"{path} is up to date\n")
