"""``reproduce`` and ``sweep``: figures and tables of the papers, and of anybody else, from recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lgvsc.cli.compare_commands import report_row
from lgvsc.cli.options import METRICS, QuietOption, note
from lgvsc.cli.reading import say_notes
from lgvsc.cli.tables import table
from lgvsc.core.files import make_folder, require_file

if TYPE_CHECKING:
    from lgvsc.experiments.recipe import Recipe

ClipsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--clips",
        help="Videos, folders, or manifests of `lgvsc data` (repeatable).",
        show_default="pieces of the demo's clip",
    ),
]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of clips, transmissions and figures; taken up where it stopped.")
]
CountOption = Annotated[
    int | None, typer.Option("--count", help="So many clips, evenly spread; 0 takes all.", show_default="the recipe's")
]
MoreOption = Annotated[
    str | None,
    typer.Option("--metrics", help=f"Besides what is drawn. {METRICS}", show_default="psnr,ssim,ms_ssim,vmaf,lpips"),
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]


def register(app: typer.Typer) -> None:
    for command in (sweep, reproduce):
        app.command()(command)


def reproduce(
    name: Annotated[str, typer.Argument(help="Name of a recipe; `list` prints them.", show_default=False)],
    clips: ClipsOption = None,
    output: OutputOption = Path("lgvsc-reproduce"),
    count: CountOption = None,
    jobs: JobsOption = 1,
    metrics: MoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Make a figure or a table of a paper again, with what is here.

    Example: lgvsc reproduce gvsc-fig-6 --clips ~/clips -o out
    """
    from lgvsc.experiments.recipe import recipes, shipped_recipe

    if name == "list":
        rows = [[known, (recipe := shipped_recipe(known)).title, recipe.source] for known in recipes()]
        typer.echo(table(["recipe", "title", "source"], rows))
        return
    follow(shipped_recipe(name), clips, output, count, jobs, quiet, metrics)


def sweep(
    recipe: Annotated[Path, typer.Argument(help="A recipe, TOML.", show_default=False)],
    clips: ClipsOption = None,
    output: OutputOption = Path("lgvsc-sweep"),
    count: CountOption = None,
    jobs: JobsOption = 1,
    metrics: MoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Send clips by the schemes of a recipe of your own, and draw its figure.

    Example: lgvsc sweep mine.toml --clips ~/clips -o out
    """
    from lgvsc.experiments.recipe import read_recipe

    follow(read_recipe(recipe), clips, output, count, jobs, quiet, metrics)


def follow(
    recipe: Recipe,
    clips: list[Path] | None,
    output: Path,
    count: int | None,
    jobs: int,
    quiet: bool,
    metrics: str | None = None,
) -> None:
    """Do what a recipe says, and print what came of it.

    Args:
        metrics: What is measured besides what the recipe draws, as names with commas.
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
        from lgvsc.metrics.registry import BY_COLUMN, parse_metrics

        drawn = (BY_COLUMN[recipe.drawn].name,) if recipe.drawn in BY_COLUMN else ()
        asked = list(dict.fromkeys((*parse_metrics(metrics), *drawn)))
        recipe = replace(recipe, settings={**recipe.settings, "link.metrics": asked})
    on_row = None if quiet else report_row
    done = run_recipe(recipe, clips or [], output, jobs=jobs, on_row=on_row, on_notes=say_notes)
    typer.echo(f"{recipe.title}\n{recipe.source}\n")
    typer.echo(table(done.header, done.cells))
    typer.echo("\n" + "\n".join(done.notes + [str(path) for path in done.files]))
    for row in done.failed:
        note(f"failed: {row.clip}, {row.name}, {row.snr_db:g} dB: {row.error}")
    if done.failed:
        raise typer.Exit(1)
