"""Command lines of trainers: every field of the recipe is an option, with its default and its line of the docstring.

What a trainer wants besides the recipe (folders, weights to begin from) are the keywords of its function.
"""

from __future__ import annotations

import inspect
import logging
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

import cv2
import torch
import typer

from lgvsc.training.loop import DryRunEnd

DataFolder: TypeAlias = Annotated[Path, typer.Option(help="Folder to train on: pictures, clips, or both.")]
OutFolder: TypeAlias = Annotated[Path, typer.Option(help="Folder for log, checkpoint and weights.")]
Resume: TypeAlias = Annotated[Path | None, typer.Option(help="checkpoint.pt of this run, to go on exactly.")]
FromWeights: TypeAlias = Annotated[Path | None, typer.Option(help="Weights (.safetensors) to begin a new run from.")]


class Trainer:
    """A trainer as a command.

    Args:
        name: As in ``lgvsc train NAME``.
        work: Takes the recipe, if there is one, and options as keywords, annotated for typer.
        recipe: A dataclass whose fields become options; its values are their defaults. Fields that hold tuples of
            tuples are no options.
        about: What stands above the options in the help.
    """

    def __init__(self, name: str, work: Callable[..., object], recipe: Any = None, about: str | None = None) -> None:
        self._name, self._work, self._recipe = name, work, recipe
        self._about = (about or work.__doc__ or "").replace("``", "`")

    def __call__(self, arguments: Sequence[str] | None = None) -> None:
        """Read the arguments (``None``: those of the process) and train. Usage errors are typer's."""
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(help=self._about, context_settings={"help_option_names": ["-h", "--help"]})(self._function())
        command = typer.main.get_command(app)
        if arguments is None:
            command.main()
        else:
            command.main(list(arguments), prog_name=f"lgvsc train {self._name}", standalone_mode=False)

    def _function(self) -> Callable[..., None]:
        """The function that typer makes a command of."""
        options = [] if self._recipe is None else options_of(self._recipe)
        of_recipe = {option.name for option in options}
        own = list(inspect.signature(self._work, eval_str=True).parameters.values())

        def train(**given: Any) -> None:
            logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
            if self._recipe is None:
                self._work(**given)
                return
            values = {name: given.pop(name) for name in of_recipe}
            recipe = replace(self._recipe, **{n: tuple(v) if isinstance(v, list) else v for n, v in values.items()})
            threads = getattr(recipe, "threads", 1)
            torch.set_num_threads(threads)
            cv2.setNumThreads(threads)
            try:
                self._work(recipe, **given)
            except DryRunEnd as plan:
                sys.stdout.write(f"{plan}\n")

        wanted = own if self._recipe is None else own[1:]
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in wanted] + options
        train.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        train.__annotations__ = {option.name: option.annotation for option in parameters}
        return train


def options_of(recipe: Any) -> list[inspect.Parameter]:
    """An option for each field of a recipe, in the order of the fields."""
    if not is_dataclass(recipe):
        raise TypeError(f"a recipe is a dataclass, got {type(recipe).__name__}")
    hints, told = get_type_hints(type(recipe)), attributes_of(type(recipe))
    options = []
    for field in fields(recipe):
        kind, default = hints[field.name], getattr(recipe, field.name)
        if get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis:
            if get_origin(get_args(kind)[0]) is tuple:
                continue
            kind, default = list[get_args(kind)[0]], list(default)  # type: ignore[misc]
        flag = f"--{field.name.strip('_').replace('_', '-')}"
        option = typer.Option(flag, help=told.get(field.name), show_default=default is not None and default != [])
        annotation = Annotated[kind, option]  # type: ignore[valid-type]
        keyword = inspect.Parameter.KEYWORD_ONLY
        options.append(inspect.Parameter(field.name, keyword, default=default, annotation=annotation))
    return options


def attributes_of(recipe: type) -> dict[str, str]:
    """What the docstrings of a dataclass and of its bases say of each attribute."""
    told: dict[str, str] = {}
    for base in reversed(recipe.__mro__):
        _, _, listed = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
        for entry in re.split(r"\n(?=    \w)", "\n" + listed):
            names, _, words = entry.strip().partition(": ")
            plain = re.sub(r":\w+:`~?([^`]*)`", r"\1", " ".join(words.split())).replace("``", "")
            told |= {name.strip(): plain for name in names.split(",") if plain}
    return told
