"""Recipes: one TOML file for each figure or table, read into what is to be sent and what is to be drawn of it.

A recipe may take everything that it does not say itself from another one, its ``base``. Recipes with one base share
their transmissions, so the second figure of a paper costs no more than its drawing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pydantic import TypeAdapter, ValidationError

from lgvsc.config import SCHEMES
from lgvsc.core.files import require_file
from lgvsc.errors import ConfigError
from lgvsc.experiments.compare_table import QUALITIES

Kind: TypeAlias = Literal["quality", "rates", "sketch-loss"]
Mode: TypeAlias = Literal["", "paper", "gvsc"]

ABSENT = {  # metrics of the papers that nothing here can measure yet, and why
    "clip_score": "CLIP score needs the weights of CLIP, which are not here",
    "bert_score": "BERT score needs the weights of Video-LLaVA and BERT, which are not here",
}
MEASURED = tuple(column for column in QUALITIES if column not in ABSENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """What is made of each source before it is sent.

    Attributes:
        count: Clips that are taken, evenly spread over the sources in the order of their names; 0 takes all.
        frames, fps, side: Frames of each, frames per second, and pixels a side of the square in the middle.
        held_out: Of a folder, take only clips that nothing was trained on.
    """

    count: int = 0
    frames: int = 8
    fps: int = 4
    side: int = 256
    held_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve: a scheme under its settings.

    Attributes:
        label: As the figure calls it.
        mode: Of a conventional scheme, see :class:`~lgvsc.schemes.conventional.ConventionalConfig`; empty: adaptive.
        cbr: Budget; ``None`` for none.
        settings: By dotted keys.
    """

    label: str
    scheme: str
    mode: Mode = ""
    cbr: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a figure or a table is made of.

    Attributes:
        name: Of its file.
        title, source: What it shows, and where a paper shows it.
        kind: ``quality`` over SNR, ``rates``, or ``sketch-loss``.
        metric, instead: What is drawn, and what is drawn under its own name where that cannot be measured.
        order: Labels whose metric is expected to fall from one to the next; the table says in how many clips it does.
        steps: Of each training (``sketch-loss``).
    """

    name: str
    title: str
    source: str = ""
    kind: Kind = "quality"
    metric: str = ""
    instead: str = ""
    snr_db: tuple[float, ...] = ()
    preset: str = "compact"
    seed: int = 0
    trials: int = 1
    steps: int = 0
    order: tuple[str, ...] = ()
    clips: ClipPlan = field(default_factory=ClipPlan)
    settings: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()

    @property
    def drawn(self) -> str:
        """The metric that is drawn; empty where there is none."""
        return self.metric if self.metric in MEASURED else self.instead

    @property
    def absent(self) -> str:
        """Why the paper's metric is not there; empty where it is."""
        return ABSENT.get(self.metric, "")


def recipes() -> list[str]:
    """Names of the recipes that lgvsc ships."""
    return sorted(path.name.removesuffix(".toml") for path in _folder().iterdir() if path.name.endswith(".toml"))


def shipped_recipe(name: str) -> Recipe:
    """A recipe that lgvsc ships.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in recipes():
        near = get_close_matches(name, recipes(), n=2, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"no recipe is called {name!r}{hint}; there are {', '.join(recipes())}")
    return _recipe(name, _shipped(name))


def read_recipe(path: Path) -> Recipe:
    """A recipe from a file; its ``base``, if any, is a shipped one.

    Raises:
        InputError: No such file.
        ConfigError: No TOML, or keys and values that a recipe does not have.
    """
    require_file(path, "a recipe", f"give a recipe, or take one of {', '.join(recipes())} with lgvsc reproduce")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    return _recipe(path.stem, found)


def _folder() -> Any:
    return resources.files("lgvsc") / "experiments" / "recipes"


def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads((_folder() / f"{name}.toml").read_text(encoding="utf-8"))


def _recipe(name: str, own: dict[str, Any]) -> Recipe:
    base = own.pop("base", None)
    if base is not None and base not in recipes():
        raise ConfigError(f"recipe {name} is based on {base!r}; there are {', '.join(recipes())}")
    data = (_shipped(base) if base else {}) | own
    lines = data.pop("line", [])
    clips = data.pop("clips", {})
    known = {f.name for f in fields(Recipe)} - {"name", "lines", "clips"}
    _check(data, [*sorted(known), "base", "clips", "line"], f"recipe {name}")
    if not isinstance(clips, dict):
        raise ConfigError(f"recipe {name}: clips is a table; write [clips] and its keys below")
    if not (isinstance(lines, list) and all(isinstance(line, dict) for line in lines)):
        raise ConfigError(f"recipe {name}: line is a table for each curve; write [[line]] and its keys below")
    _check(clips, [f.name for f in fields(ClipPlan)], f"recipe {name}, clips")
    for line in lines:
        _check(line, [f.name for f in fields(Line)], f"recipe {name}, line")
    try:
        made = TypeAdapter(Recipe).validate_python(data | {"name": name, "clips": clips, "lines": lines})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]).replace("lines", "line")
        raise ConfigError(f"recipe {name}, {where}: {first['msg'][0].lower()}{first['msg'][1:]}") from error
    _check_values(made)
    return made


def _check(data: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in data:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            raise ConfigError(f"{where} has no {key!r}; " + (f"did you mean {near[0]}?" if near else ", ".join(known)))


def _check_values(recipe: Recipe) -> None:
    labels = [line.label for line in recipe.lines]
    plan = recipe.clips
    faults = [
        (recipe.kind not in get_args(Kind), f"kind is {recipe.kind!r}; there are {', '.join(get_args(Kind))}"),
        (not recipe.snr_db, "snr_db names no SNR"),
        (recipe.kind == "quality" and not labels, "there is no line"),
        (len(set(labels)) < len(labels), "two lines have the same label"),
        (not set(recipe.order) <= set(labels), "order names a label that no line has"),
        (
            recipe.metric not in ("", *MEASURED, *ABSENT),
            f"metric is {recipe.metric!r}; there are {', '.join((*MEASURED, *ABSENT))}",
        ),
        (recipe.instead not in ("", *MEASURED), f"instead is {recipe.instead!r}; there are {', '.join(MEASURED)}"),
        (
            not {line.scheme for line in recipe.lines} <= set(SCHEMES),
            f"a line has the scheme {next((x.scheme for x in recipe.lines if x.scheme not in SCHEMES), '')!r}; there "
            f"are {', '.join(SCHEMES)}",
        ),
        (any(line.mode not in get_args(Mode) for line in recipe.lines), "mode is '', 'paper' or 'gvsc'"),
        (min(plan.frames, plan.fps) < 1 or plan.side < 16 or plan.count < 0, "clips have frames, fps and 16 pixels"),
        (recipe.trials < 1, "trials is below 1"),
    ]
    for wrong, words in faults:
        if wrong:
            raise ConfigError(f"recipe {recipe.name}: {words}")
