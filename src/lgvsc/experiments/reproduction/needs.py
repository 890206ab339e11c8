"""What a recipe needs, which of it is here, and the command that brings the rest. Loads no weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from lgvsc import kinds
from lgvsc.config import Config, load_config
from lgvsc.errors import LgvscError
from lgvsc.experiments.recipe import GRIDS, Line, Recipe
from lgvsc.experiments.reproduction.clips import Footage
from lgvsc.experiments.reproduction.names import NAMES
from lgvsc.experiments.reproduction.tasks import (
    METRICS_OF_TASKS,
    looked_at_with,
    missing_weights,
    task_absence,
)
from lgvsc.metrics.registry import BY_COLUMN, DEFAULT
from lgvsc.models.catalog import find

CLIP = "clip-vit-b-32"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a recipe needs beside the package.

    Attributes:
        what: In words.
        missing: Why it is not here, with the command that brings it; empty where it is.
        lost: What is left out without it.
    """

    what: str
    missing: str
    lost: str


def needs_of(recipe: Recipe) -> list[Need]:
    """Everything, each once."""
    found = [Need("matplotlib and pyarrow (extra bench)", missing_bench(), "the figure"), *of_data(recipe)]
    if recipe.kind in GRIDS:
        found += of_lines(recipe)
    elif recipe.kind != "sketch-loss":
        found += of_models(load_config(recipe.preset, "skem-dsa", recipe.settings), "all of it")
    found += of_metrics(recipe)
    return [need for place, need in enumerate(found) if need not in found[:place]]


def of_data(recipe: Recipe) -> Iterator[Need]:
    """Clips are everywhere: without any, pieces of the demo's are taken."""
    if recipe.kind == "sketch-loss":
        yield Need("--clips FOLDER of pictures and clips to train on", "", "all of it")
    if "description" in recipe.tasks and recipe.against == "data":
        yield Need("--clips MANIFEST of clips with captions (lgvsc data)", "", "all of it")
    if "action" in recipe.tasks:
        yield Need("--clips MANIFEST of clips with labels of Kinetics-400 (lgvsc data)", "", "Top-1 and Top-5")
    if recipe.pairs in ("type-1", "type-2"):
        yield Need(f"the weights of {CLIP}", missing_weights(CLIP), "CLIP's cosine")


def missing_bench() -> str:
    """What of the extra ``bench`` is not here."""
    absent = [name for name in ("matplotlib", "pyarrow") if find_spec(name) is None]
    return f"no {' and '.join(absent)}: pip install 'lgvsc[bench]'" if absent else ""


def of_lines(recipe: Recipe) -> Iterator[Need]:
    """The models of each line."""
    for line in recipe.lines:
        yield from of_models(line_config(recipe, line, recipe.snr_db[0]), line.label)


def of_models(config: Config, lost: str) -> Iterator[Need]:
    """Models of a configuration that do not ship with the package."""
    for model in kinds.models(config).values():
        name = str(model["name"])
        try:
            card = find(name)
        except LgvscError:
            continue  # a codec of PyAV's wheel, which the catalogue does not list
        if card.hub or card.parts:
            missing = next((why for part in (name, *card.parts) if (why := missing_weights(part))), "")
            yield Need(f"the weights of {name}", missing, lost)


def of_metrics(recipe: Recipe) -> Iterator[Need]:
    """What measures the metrics of a recipe, where that does not ship."""
    for metric in recipe.wanted:
        for name in (name for name in models_of_metric(metric) if find(name).hub):
            yield Need(f"the weights of {name}", missing_weights(name), NAMES[metric].label)
    for metric in (*recipe.wanted, recipe.instead):
        if metric in METRICS_OF_TASKS:
            yield Need(looked_at_with(metric, recipe), task_absence(metric, recipe), NAMES[metric].label)


def models_of_metric(metric: str) -> tuple[str, ...]:
    """Models of the catalogue that a metric of frames is measured with."""
    known = BY_COLUMN.get(metric)
    return tuple(name for name in (known.model, *known.other_models) if name) if known else ()


def absence(metric: str, recipe: Recipe, clips: Sequence[Footage] | None = None) -> str:
    """Why a metric cannot be measured here, with the command that brings it; empty where it can.

    Args:
        clips: What is sent; ``None``: whatever it will be.
    """
    if metric in METRICS_OF_TASKS:
        return task_absence(metric, recipe, clips)
    return next((why for name in models_of_metric(metric) if (why := missing_weights(name))), "")


def drawn(recipe: Recipe, clips: Sequence[Footage] | None = None) -> tuple[str, ...]:
    """The metrics that are drawn here: those of the paper that can be had, or what the recipe has instead."""
    here = tuple(metric for metric in recipe.wanted if not absence(metric, recipe, clips))
    return here or ((recipe.instead,) if recipe.instead and not absence(recipe.instead, recipe, clips) else ())


def absent(recipe: Recipe, clips: Sequence[Footage] | None = None) -> dict[str, str]:
    """Reason by metric, of those that the paper has and nothing here can measure."""
    wanted = [*recipe.wanted, *([recipe.instead] if recipe.instead in METRICS_OF_TASKS else [])]
    return {metric: why for metric in wanted if (why := absence(metric, recipe, clips))}


def line_config(recipe: Recipe, line: Line, snr_db: float) -> Config:
    """The configuration of a line at an SNR. What the line says has the last word."""
    own: dict[str, object] = {"seed": recipe.seed, "channel.snr_db": snr_db}
    drawn_too = [BY_COLUMN[m].name for m in (*recipe.wanted, recipe.instead) if m in BY_COLUMN]
    own["link.metrics"] = list(dict.fromkeys([*(recipe.measured or DEFAULT), *drawn_too]))
    if line.cbr is not None:
        own["coding.budget"] = f"{line.cbr:g}cbr"
    if line.mode:
        own["conventional.mode"] = line.mode
    return load_config(recipe.preset, line.scheme, {**recipe.settings, **own, **line.settings})


def unavailable(line: Line, recipe: Recipe) -> str:
    """Why a line cannot be sent here; empty where it can."""
    config = line_config(recipe, line, recipe.snr_db[0])
    missing = next((need.missing for need in of_models(config, line.label) if need.missing), "")
    if missing:
        return missing
    try:
        kinds.kind_of(line.scheme).probe(config)
    except LgvscError as error:
        return str(error)
    return ""


def in_words(recipe: Recipe) -> tuple[str, str]:
    """What a recipe needs beyond the package, and what of it runs here, for the list."""
    found = needs_of(recipe)
    wanted = "; ".join(dict.fromkeys(need.what for need in found[1:])) or "nothing"
    lost = list(dict.fromkeys(need.lost for need in found if need.missing))
    if not lost:
        return wanted, "all"
    shown = {NAMES[metric].label for metric in recipe.wanted}
    nothing = "all of it" in lost or (bool(shown) and shown <= set(lost) and not drawn(recipe))
    return wanted, "no" if nothing else f"all but {', '.join(lost)}"
