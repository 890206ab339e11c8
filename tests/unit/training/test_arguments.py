"""Command lines of trainers: an option for every field, told and documented, and documented commands that exist."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from typer.testing import CliRunner

from lgvsc.cli.main import app
from lgvsc.cli.project_commands import TRAINERS
from lgvsc.errors import ConfigError
from lgvsc.training.arguments import OutFolder, Trainer, attributes_of, options_of
from lgvsc.training.codes.ntscc_batch import NtsccTraining

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe.

    Attributes:
        steps: How many, or ``None``,
            which is endless.
        range_db: From and to.
        weights_: Of each.
        look: How it looks.
        points: No option.
    """

    steps: int | None = None
    range_db: tuple[float, float] = (-2.0, 2.0)
    weights_: tuple[float, ...] = (1.0, 2.0)
    look: Literal["plain", "vivid"] = "plain"
    points: tuple[tuple[int, float], ...] = ((1, 2.0),)

    def __post_init__(self):
        if self.steps == 0:
            raise ConfigError("no steps")


def run(*arguments):
    """What a trainer of the recipe is called with."""
    calls = []

    def work(config, *, out: OutFolder, fast: Annotated[bool, typer.Option("--fast", help="Or slow.")] = False):
        calls.append((config, out, fast))

    work.__annotations__ |= {"out": OutFolder, "fast": Annotated[bool, typer.Option("--fast", help="Or slow.")]}
    Trainer("it", work, Recipe(), "About it.")(["--out", "here", *arguments])
    return calls[0] if calls else None


def test_options_are_the_fields_and_the_keywords():
    assert run() == (Recipe(), Path("here"), False)
    given = run(
        *["--steps", "3", "--range-db", "-5", "-1", "--weights", "3", "--weights", "-4", "--look", "vivid", "--fast"]
    )
    assert given == (Recipe(steps=3, range_db=(-5, -1), weights_=(3, -4), look="vivid"), Path("here"), True)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [("--steps x", "integer"), ("--look odd", "odd"), ("--range-db 1", "range-db"), ("--points 1", "points")],
)
def test_wrong_arguments_are_usage_errors(wrong, words):
    with pytest.raises(Exception, match=words) as error:
        run(*wrong.split())
    assert error.value.exit_code == 2


def test_a_recipe_refuses_for_itself():
    with pytest.raises(ConfigError, match="no steps"):
        run("--steps", "0")


def test_help_tells_defaults_and_what_the_docstring_says(capsys):
    assert run("--help") is None
    shown = " ".join(re.sub(r"[^\x00-\x7f]", " ", capsys.readouterr().out).split())
    for words in ("About it.", "How many, or None, which is endless.", "[default: -2.0, 2.0]", "--weights", "vivid"):
        assert words in shown, words
    assert "--points" not in shown


def test_attributes_of_bases_are_told_too():
    told = attributes_of(NtsccTraining)
    assert told["digital"].startswith("How many crops") and told["crop"] == "Side of a crop in pixels."
    names = [option.name for option in options_of(NtsccTraining())]
    assert names[0] == "minutes" and names.index("frames_per_clip") > names.index("digital")


def command(name):
    """A trainer's command."""
    made = typer.Typer(add_completion=False)
    made.command()(import_module(TRAINERS[name][0]).main._function())
    return typer.main.get_command(made)


@pytest.mark.parametrize("name", TRAINERS)
def test_every_option_of_every_trainer_is_explained(name):
    assert [option.name for option in command(name).params if not option.help] == []


def test_the_trainers_are_listed():
    shown = CliRunner().invoke(app, ["train", "--help"])
    assert shown.exit_code == 0
    assert all(re.search(rf"{name} +\w", shown.output) for name in TRAINERS)
    assert CliRunner().invoke(app, ["train", "nothing"]).exit_code == 2


def documented():
    """Commands that pages and cards give for a training."""
    for page in [*(ROOT / "docs").rglob("*.md"), *(ROOT / "src/lgvsc/models/cards").glob("*.md"), ROOT / "README.md"]:
        for spelled in re.findall(r"`lgvsc train ([^`]+)`", page.read_text(encoding="utf-8")):
            yield page.name, spelled


@pytest.mark.parametrize(("page", "spelled"), list(documented()))
def test_documented_commands_are_understood(page, spelled):
    name, *words = shlex.split(spelled.replace("minutes M", "minutes 1"))
    if name not in ("NAME", "--help"):
        made = command(name)
        known = {spelling for parameter in made.params for spelling in parameter.opts}
        assert {word for word in words if word.startswith("--") and word != "--help"} <= known
        if "--out" in words:
            made.make_context(name, words)  # reads every value
