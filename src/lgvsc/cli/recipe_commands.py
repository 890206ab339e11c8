"""``reproduce`` and ``sweep``: figures and tables of the papers, and of anybody else, from recipes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from lgvsc.cli.compare_commands import report_row
from lgvsc.cli.options import (
    METRICS,
    CaptionsOption,
    ClusterOption,
    EngineOption,
    GpusOption,
    JobsOption,
    JsonOption,
    QuietOption,
    given_captions,
    note,
    numbers,
    print_json,
    workers_of,
)
from lgvsc.cli.reading import say_notes
from lgvsc.cli.tables import table
from lgvsc.core.files import make_folder, require_file

if TYPE_CHECKING:
    from lgvsc.experiments.jobs.workers import Workers
    from lgvsc.experiments.recipe import Recipe
    from lgvsc.experiments.reproduction.result import Reproduction

ClipsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--clips",
        help="Videos, folders, or manifests of `lgvsc data` (repeatable).",
        show_default="pieces of the demo's clip",
    ),
]
OutputOption = Annotated[
    Path,
    typer.Option("--output", "-o", help="Folder of clips, transmissions, figures, tables; taken up where it stopped."),
]
CountOption = Annotated[
    int | None,
    typer.Option("--count", min=0, help="So many clips, evenly spread; 0 takes all.", show_default="the recipe's"),
]
MoreOption = Annotated[
    str | None,
    typer.Option("--metrics", help=f"Besides what is drawn. {METRICS}", show_default="psnr,ssim,ms_ssim,vmaf,lpips"),
]


def register(app: typer.Typer) -> None:
    for command in (sweep, reproduce):
        app.command()(command)


def reproduce(
    name: Annotated[str, typer.Argument(metavar="ID", help="A figure or a table; --list prints all.")] = "",
    clips: ClipsOption = None,
    output: OutputOption = Path("lgvsc-reproduce"),
    count: CountOption = None,
    captions: CaptionsOption = "own",
    engine: EngineOption = "local",
    jobs: JobsOption = 1,
    gpus_per_actor: GpusOption = 0.0,
    ray_address: ClusterOption = "",
    metrics: MoreOption = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            "-p",
            help="compact, paper, modern or a TOML file, in place of the recipe's.",
            show_default="the recipe's",
        ),
    ] = None,
    snr_db: Annotated[
        str | None, typer.Option("--snr-db", help="With commas, in place of the recipe's.", show_default="the recipe's")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One short clip, the ends of the SNRs: does it work?")] = False,
    show_list: Annotated[
        bool, typer.Option("--list", help="Print every ID, what it needs and what of it runs here.")
    ] = False,
    as_json: JsonOption = False,
    out: Annotated[Path | None, typer.Option("--out", hidden=True, show_default=False)] = None,
    quiet: QuietOption = False,
) -> None:
    """Make a figure or a table of a paper again, with what is here, beside what the paper prints.

    Example: lgvsc reproduce gvsc-fig-6 --clips ~/clips -o out
    """
    from dataclasses import replace

    from lgvsc.experiments.recipe import listed_recipes, shipped_recipe

    if show_list or name == "list":
        print_list([under(recipe, preset) for recipe in listed_recipes()], as_json)
        return
    if not name:
        raise typer.BadParameter("name a figure or a table; lgvsc reproduce --list prints all", param_hint="ID")
    recipe, said = shipped_recipe(name), f"lgvsc reproduce {name}"
    if preset is not None:
        recipe, said = under(recipe, preset), f"{said} --preset {Path(preset).name}"
    if snr_db is not None:
        recipe, said = replace(recipe, snr_db=tuple(numbers(snr_db, "--snr-db"))), f"{said} --snr-db={snr_db}"
    if quick:
        recipe, said = recipe.quick(), f"{said} --quick"
    workers = workers_of(engine, jobs, gpus_per_actor, ray_address)
    follow(with_captions(recipe, clips, captions), clips, out or output, count, workers, quiet, metrics, said)


def print_list(recipes: Sequence[Recipe], as_json: bool) -> None:
    """Every figure and table, what it needs beyond the package, and what of it runs here."""
    from lgvsc.experiments.reproduction.needs import in_words, needs_of

    if as_json:
        print_json(
            [
                {
                    "id": recipe.name,
                    "title": recipe.title,
                    "source": recipe.source,
                    "preset": recipe.preset,
                    "needs": [
                        {"what": need.what, "missing": need.missing or None, "without_it_absent": need.lost}
                        for need in needs_of(recipe)
                    ],
                }
                for recipe in recipes
            ]
        )
        return
    lines = partial(fill, break_on_hyphens=False, break_long_words=False)  # names and commands stay whole
    wide, at = min(get_terminal_size().columns, 100), max(len(recipe.name) for recipe in recipes) + 2
    for recipe in recipes:
        needs, runs = in_words(recipe)
        typer.echo(lines(f"{recipe.name:<{at}}{recipe.title}", wide, subsequent_indent=" " * at))
        told = f"runs here: {runs}" + (f"; needs {needs}" if needs != "nothing" else "")
        typer.echo(lines(told, wide, initial_indent=" " * at, subsequent_indent=" " * at))
    missing = {need.missing for recipe in recipes for need in needs_of(recipe) if need.missing}
    if missing:
        typer.echo("\nwhat is not here, and what brings it")
        for words in sorted(missing):
            typer.echo(lines(f"- {words}", wide, subsequent_indent="  "))


def under(recipe: Recipe, preset: str | None) -> Recipe:
    """The recipe with another preset, if one is given: GVSC's recipes take GVSC's own of the same models."""
    from dataclasses import replace

    from lgvsc.config import presets

    if preset is None:
        return recipe
    own = f"gvsc-{preset}"
    return replace(recipe, preset=own if recipe.preset.startswith("gvsc-") and own in presets() else preset)


def sweep(
    recipe: Annotated[Path, typer.Argument(help="A recipe, TOML.", show_default=False)],
    clips: ClipsOption = None,
    output: OutputOption = Path("lgvsc-sweep"),
    count: CountOption = None,
    captions: CaptionsOption = "own",
    engine: EngineOption = "local",
    jobs: JobsOption = 1,
    gpus_per_actor: GpusOption = 0.0,
    ray_address: ClusterOption = "",
    metrics: MoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Send clips by the schemes of a recipe of your own, and draw its figure.

    Example: lgvsc sweep mine.toml --clips ~/clips -o out
    """
    from lgvsc.experiments.recipe import read_recipe

    workers = workers_of(engine, jobs, gpus_per_actor, ray_address)
    said = f"lgvsc sweep {recipe.name}"
    follow(with_captions(read_recipe(recipe), clips, captions), clips, output, count, workers, quiet, metrics, said)


def with_captions(recipe: Recipe, clips: list[Path] | None, whose: str) -> Recipe:
    """The recipe with clips described as the option says; a recipe of its own mind keeps it."""
    from dataclasses import replace

    return replace(recipe, captions="dataset") if given_captions(clips or [], whose) else recipe


def follow(
    recipe: Recipe,
    clips: list[Path] | None,
    output: Path,
    count: int | None,
    workers: Workers,
    quiet: bool,
    metrics: str | None,
    command: str,
) -> None:
    """Do what a recipe says, and print what came of it.

    Args:
        metrics: What is measured besides what the recipe draws, as names with commas.
        command: What was typed, as far as the page shows it.
    """
    from dataclasses import replace

    for source in clips or []:
        if not source.is_dir():
            require_file(source, "a video, or of a folder of them")
    make_folder(output)

    from lgvsc.experiments.reproduce import reproduce as run_recipe

    if count is not None:
        recipe = replace(recipe, clips=replace(recipe.clips, count=count))
    if metrics:
        from lgvsc.metrics.registry import parse_metrics

        recipe = replace(recipe, measured=parse_metrics(metrics))
    on_row = None if quiet else report_row
    made = run_recipe(recipe, clips or [], output, workers=workers, on_row=on_row, on_notes=say_notes)
    said = f"{command} --captions dataset" if recipe.captions == "dataset" else command
    made.files.append(write_page(made, output, whole(said, clips, count)))
    typer.echo(f"{recipe.title}\n{recipe.source}\n")
    typer.echo("\n\n".join(table(one.header, one.cells) for one in made.tables))
    from lgvsc.experiments.reproduction.names import NAMES
    from lgvsc.ui.reproduction_page import marks_in

    marks = [words] if (words := marks_in(made.tables)) else []
    absent = [f"{NAMES[metric].label} is absent: {why}" for metric, why in made.absent.items()]
    typer.echo("\n" + "\n".join([*marks, *absent, *made.notes, *(str(path) for path in made.files)]))
    for row in made.failed:
        note(f"failed: {row.clip}, {row.name}, {row.snr_db:g} dB: {row.error}")
    if made.failed:
        raise typer.Exit(1)


def whole(command: str, clips: list[Path] | None, count: int | None) -> str:
    """A command with what clips it took, without the paths of this machine."""
    first = clips[0] if clips else None
    kind = "" if first is None else "FOLDER" if first.is_dir() else "MANIFEST" if first.suffix == ".json" else "VIDEO"
    given = f" --clips {kind}" if kind else ""
    return command + given + (f" --count {count}" if count is not None else "")


def write_page(made: Reproduction, folder: Path, command: str) -> Path:
    """The page of a reproduction."""
    from lgvsc.experiments.reproduction.names import NAMES
    from lgvsc.ui.reproduction_page import write_reproduction

    path = folder / f"{made.recipe.name}.html"
    write_reproduction(
        path,
        title=made.recipe.title,
        source=made.recipe.source,
        differs=made.recipe.differs,
        command=command,
        tables=made.tables,
        figure=next((file for file in made.files if file.name == f"{made.recipe.name}.png"), None),
        absent={NAMES[metric].label: why for metric, why in made.absent.items()},
        said=made.said,
        notes=made.notes,
        places=list(dict.fromkeys(one.where for one in made.published)),
    )
    return path
