"""Recipes: one TOML file for each figure or table, read into what is to be sent and what is to be drawn of it.

A recipe may take everything that it does not say itself from another one, its ``base``. Recipes with one base share
their transmissions, so the second figure of a paper costs no more than its drawing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pydantic import TypeAdapter, ValidationError

from lgvsc.config import SCHEMES
from lgvsc.core.files import require_file
from lgvsc.errors import ConfigError
from lgvsc.experiments.reproduction.names import NAMES
from lgvsc.metrics.registry import METRICS

Kind: TypeAlias = Literal[
    "quality", "fixed-rates", "combinations", "rates", "sketch-loss", "pairs", "keyframe-counts", "complexity"
]
Mode: TypeAlias = Literal["", "paper", "gvsc"]
Task: TypeAlias = Literal["description", "action", "depth"]
Captions: TypeAlias = Literal["own", "dataset"]
Against: TypeAlias = Literal["source", "data"]
Pairs: TypeAlias = Literal["", "type-1", "type-2", "focus"]

OLD_NAMES = {"bert_score": "bert_captions"}  # of metrics, in recipes of older releases
GRIDS = ("quality", "fixed-rates", "combinations")  # kinds that send clips by lines


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """What is made of each source before it is sent.

    Attributes:
        count: Clips that are taken, evenly spread over the sources in the order of their names; 0 takes all.
        frames, fps, side: Frames of each, frames per second, and pixels a side of the square in the middle.
        seconds: Instead of these, the beginning of each source as it is, so long; 0 for frames.
        held_out: Of a folder, take only clips that nothing was trained on.
    """

    count: int = 0
    frames: int = 8
    fps: int = 4
    side: int = 256
    seconds: float = 0.0
    held_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve: a scheme under its settings.

    Attributes:
        label: As the figure calls it.
        mode: Of a conventional scheme, see :class:`~lgvsc.schemes.conventional.ConventionalConfig`; empty: adaptive.
        cbr: Budget; ``None`` for none.
        matched_to: Label of an earlier line whose CBR for the same clip, SNR and trial is this one's budget.
        keyframes: How many keyframes are sent, the closing one included; one number is drawn for each clip (SKIM).
        ends: Measure PSNR and SSIM of so many frames at the beginning and at the end too; 0 does not.
        settings: By dotted keys.
    """

    label: str
    scheme: str
    mode: Mode = ""
    cbr: float | None = None
    matched_to: str = ""
    keyframes: tuple[int, ...] = ()
    ends: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a figure or a table is made of.

    Attributes:
        name: Of its file.
        title, source: What it shows, and where a paper shows it.
        differs: One sentence on what is not as in the paper.
        listed: Whether it is a figure or a table itself; others are the ``base`` of some.
        kind: What makes it, see :mod:`lgvsc.experiments.reproduction`.
        metric, instead: What is drawn, and what is drawn under its own name where that cannot be measured.
        metrics: What is drawn where it is more than one, a panel each.
        measured: Names of metrics that every transmission is measured by, whatever is drawn, so that recipes with one
            base share their transmissions.
        tasks: What is done with the rebuilt videos besides.
        against: What captions are compared with: those of the ``source`` by the same captioner, or of the ``data`` set.
        captions: Who describes clips: the transmitter's ``own`` captioner, or their data set, as GVSC does (IV-A1).
        shown: Frames that the figure shows, of the first clip, negative ones from its end; empty draws curves.
        pairs: Which pairs of frames are shown (``pairs``).
        order: Labels whose metric is expected to fall from one to the next; the table says in how many clips it does.
        steps: Of each training (``sketch-loss``).
    """

    name: str
    title: str
    source: str = ""
    differs: str = ""
    listed: bool = True
    kind: Kind = "quality"
    metric: str = ""
    instead: str = ""
    metrics: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    against: Against = "source"
    captions: Captions = "own"
    shown: tuple[int, ...] = ()
    pairs: Pairs = ""
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
    def wanted(self) -> tuple[str, ...]:
        """Every metric that the figure or the table of the paper has."""
        return self.metrics or ((self.metric,) if self.metric else ())

    def quick(self) -> Recipe:
        """The same with as little work as shows that all of it works: one short clip, the ends of the SNRs."""
        ends = self.snr_db if len(self.snr_db) < 3 else (self.snr_db[0], self.snr_db[-1])
        clips = replace(self.clips, count=1, seconds=min(self.clips.seconds, QUICK_S))
        small = {**self.settings, "link.max_side": QUICK_SIDE}
        measured = tuple(name for name in self.measured if METRICS[name].stream == "frame" and not METRICS[name].model)
        length_s = clips.seconds or clips.frames / clips.fps
        words = f"A quick run of one small clip of {length_s:g} s: it shows that all of it works, and no more."
        return replace(
            self, differs=f"{words} {self.differs}", snr_db=ends, clips=clips, trials=1, settings=small,
            measured=measured, steps=min(self.steps, QUICK_STEPS),
        )  # fmt: skip


QUICK_S = 1.0
QUICK_STEPS = 4
QUICK_SIDE = 192


def listed_recipes() -> list[Recipe]:
    """Every figure and table of the papers, in the papers' order: LGVSC first, figures, tables, then the rest."""
    found = [recipe for recipe in map(shipped_recipe, recipes()) if recipe.listed]
    kinds = ("fig", "table")

    def place(recipe: Recipe) -> tuple[bool, int, str]:
        _, kind, *_ = recipe.name.split("-")
        return recipe.name.startswith("gvsc"), kinds.index(kind) if kind in kinds else len(kinds), recipe.name

    return sorted(found, key=place)


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
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(recipes())}"
        raise ConfigError(f"no recipe is called {name!r}; {hint}")
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
    if isinstance(metric := data.get("metric"), str):
        data["metric"] = OLD_NAMES.get(metric, metric)
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
    names = (*recipe.wanted, recipe.instead)
    plan = recipe.clips
    faults = [
        (not recipe.snr_db and recipe.kind in (*GRIDS, "sketch-loss"), "snr_db names no SNR"),
        (recipe.kind in GRIDS and not labels, "there is no line"),
        (len(set(labels)) < len(labels), "two lines have the same label"),
        (not set(recipe.order) <= set(labels), "order names a label that no line has"),
        *((name not in ("", *NAMES), f"metric is {name!r}; there are {', '.join(NAMES)}") for name in names),
        (not set(recipe.measured) <= set(METRICS), f"measured names metrics: {', '.join(METRICS)}"),
        (recipe.kind == "pairs" and not recipe.pairs, f"pairs is one of {', '.join(get_args(Pairs)[1:])}"),
        *(
            (line.matched_to not in ("", *labels[:place]), f"{line.label} is matched to no line before it")
            for place, line in enumerate(recipe.lines)
        ),
        (any(min(line.keyframes, default=2) < 2 for line in recipe.lines), "keyframes are at least 2"),
        (
            not {line.scheme for line in recipe.lines} <= set(SCHEMES),
            f"a line has the scheme {next((x.scheme for x in recipe.lines if x.scheme not in SCHEMES), '')!r}; there "
            f"are {', '.join(SCHEMES)}",
        ),
        (min(plan.frames, plan.fps) < 1 or plan.side < 16 or plan.count < 0, "clips have frames, fps and 16 pixels"),
        (plan.seconds < 0, "seconds is below 0"),
        (recipe.trials < 1, "trials is below 1"),
    ]
    for wrong, words in faults:
        if wrong:
            raise ConfigError(f"recipe {recipe.name}: {words}")
