"""What a recipe needs, which of it is here, and the command that brings the rest. Loads no weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from lgvsc import kinds
from lgvsc.config import Config, load_config
from lgvsc.errors import LgvscError
from lgvsc.experiments.recipe import GRIDS, Line, Recipe
from lgvsc.experiments.reproduction.names import NAMES
from lgvsc.metrics.registry import BY_COLUMN, DEFAULT
from lgvsc.models.catalog import find
from lgvsc.models.hub import missing_library, weights_folder
from lgvsc.models.weights import asset_there

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
        names = [name for name in models_of_metric(metric) if find(name).hub]
        for name in names:
            yield Need(f"the weights of {name}", missing_weights(name), NAMES[metric].label)


def models_of_metric(metric: str) -> tuple[str, ...]:
    """Models of the catalogue that a metric is measured with."""
    if metric == "bert_captions":
        return ("roberta-large",)
    known = BY_COLUMN.get(metric)
    return tuple(name for name in (known.model, *known.other_models) if name) if known else ()


def absence(metric: str) -> str:
    """Why a metric cannot be measured here, with the command that brings it; empty where it can."""
    return next((why for name in models_of_metric(metric) if (why := missing_weights(name))), "")


def missing_weights(name: str) -> str:
    """Why the weights of a model are not here, or what else it lacks; empty where they are."""
    card = find(name)
    try:
        if card.file:
            return "" if asset_there(card) else f"the weights of {name} are not in the package; install lgvsc again"
        if card.hub or card.folder:
            weights_folder(card)
        else:
            missing_library(card)
    except LgvscError as error:
        return str(error)
    return ""


def drawn(recipe: Recipe) -> tuple[str, ...]:
    """The metrics that are drawn here: those of the paper that can be had, or what the recipe has instead."""
    here = tuple(metric for metric in recipe.wanted if not absence(metric))
    return here or ((recipe.instead,) if recipe.instead and not absence(recipe.instead) else ())


def absent(recipe: Recipe, metrics: Iterable[str] | None = None) -> dict[str, str]:
    """Reason by metric, of those that the paper has and nothing here can measure."""
    return {m: why for m in (recipe.wanted if metrics is None else metrics) if (why := absence(m))}


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
    missing = [need for need in found if need.missing]
    wanted = "; ".join(need.what for need in found[1:]) or "nothing"
    lost = list(dict.fromkeys(need.lost for need in missing))
    if not missing:
        return wanted, "all"
    return wanted, "no" if "all of it" in lost else f"all but {', '.join(lost)}"
