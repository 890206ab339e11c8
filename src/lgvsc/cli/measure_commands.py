"""``measure``: any metrics of any two videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lgvsc.cli.options import JsonOption, MetricsOption, QuietOption, note, print_json, progress
from lgvsc.cli.reading import say_notes
from lgvsc.cli.tables import table


def register(app: typer.Typer) -> None:
    app.command()(measure)


def measure(
    source: Annotated[Path, typer.Argument(help="The true video.", show_default=False)],
    rebuilt: Annotated[Path, typer.Argument(help="What became of it, of the same size.", show_default=False)],
    metrics: MetricsOption = None,
    every: Annotated[int, typer.Option("--every", help="Measure one frame in so many.")] = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure how close one video comes to another.

    Frames are paired by number; of the longer video the rest is left out, and a note says so.
    Example: lgvsc measure walk.mp4 walk.rebuilt.mp4 --metrics ms_ssim,lpips,dists --every 6
    """
    from lgvsc.inspection import measure_files
    from lgvsc.metrics.registry import DEFAULT, parse_metrics

    names = parse_metrics(metrics) if metrics else DEFAULT
    found = measure_files(source, rebuilt, names, every=every, on_progress=progress(quiet))
    for video, notes in ((source, found["notes"]["source"]), (rebuilt, found["notes"]["rebuilt"])):
        say_notes(video, notes)
    lengths = found["frames_of"]
    if lengths["source"] != lengths["rebuilt"]:
        compared = f"the first {found['frames']} were" if found["frames"] > 1 else "the first was"
        note(f"{lengths['source']} frames against {lengths['rebuilt']}; {compared} compared")
    if as_json:
        print_json(found)
        return
    typer.echo(measure_table(found))
    for key, reason in found["absent"].items():
        note(f"{key} is absent: {reason}")


def measure_table(found: dict[str, Any]) -> str:
    """A row for each metric."""
    from lgvsc.metrics.registry import BY_KEY

    rows = []
    for key, details in found["details"].items():
        digits, value, source = BY_KEY[key].digits, found[key], details.get("source")
        rows.append(
            [
                BY_KEY[key].label,
                "-" if value is None else f"{value:.{digits}f}",
                "-" if source is None else f"{source:.{digits}f}",
                details["direction"],
                str(details["frames"]),
                (details["sha256"] or "-")[:12],
                details["version"],
            ]
        )
    return table(["metric", "value", "source's", "better", "frames", "weights", "version"], rows)
