"""``keyframes`` and ``send`` over several videos: a line for each, and what went wrong at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lgvsc.cli.options import note, print_json
from lgvsc.cli.reading import say_notes
from lgvsc.cli.tables import cost_table, table
from lgvsc.core.files import check_outputs, make_folder, refuse_doubles

if TYPE_CHECKING:
    from lgvsc.config import Config
    from lgvsc.experiments.jobs.job import JobResult
    from lgvsc.experiments.jobs.workers import Workers


def keyframes_of_many(
    videos: Sequence[Path], config: Config, workers: Workers, *, show_cost: bool, as_json: bool, quiet: bool
) -> None:
    """Keyframes of each video."""
    from lgvsc.core.cost import Cost
    from lgvsc.experiments.jobs.dispatch import run_jobs
    from lgvsc.experiments.jobs.job import Job

    done = run_jobs([Job(video) for video in videos], config, workers, reporter(quiet))
    found = [result for result in done if not result.error]
    if as_json:
        print_json([{"video": str(o.job.video), "error": o.error or None, **o.result} for o in done])
    elif found:
        rows = [
            [
                o.job.video.name,
                str(o.result["frames"]),
                str(len(o.result["keyframes"])),
                str(len(o.result["curve"])),
                f"{o.result['seconds']:.2f}",
                f"{o.result['seconds_per_minute']:.2f}",
                f"{o.result['processor_seconds_per_minute']:.2f}",
            ]
            for o in found
        ]
        header = ["video", "frames", "keyframes", "pairs", "seconds", "s per minute of video", "processor s per minute"]
        typer.echo(table(header, rows))
        minutes = sum(o.result["frames"] / o.result["fps"] for o in found) / 60
        work = sum(o.result["processor_seconds"] for o in found) / minutes
        typer.echo(f"\na minute of video takes {work:.2f} s of processor time in the mean, reading the file included")
        if show_cost:
            total = Cost.together([Cost(**o.result["cost"]) for o in found])
            typer.echo("\n" + cost_table(total, total.wasted_share(sum(len(o.result["curve"]) for o in found))))
    complain(done)


def send_many(
    videos: Sequence[Path], folder: Path, config: Config, workers: Workers, *, force: bool, quiet: bool
) -> None:
    """A message and a recording for each video, in one folder."""
    from lgvsc.experiments.jobs.dispatch import run_jobs
    from lgvsc.experiments.jobs.job import Job

    refuse_doubles(videos, "messages")
    make_folder(folder)
    suffixes = (".lgvsc", ".sigmf-data", ".sigmf-meta", ".lgvsc-n0")
    check_outputs(*(folder / f"{v.stem}{suffix}" for v in videos for suffix in suffixes), force=force, inputs=videos)
    # From here on only half of what a worker left behind that died can be in the way.
    jobs = [Job(video, folder / video.stem, force=True) for video in videos]
    done = run_jobs(jobs, config, workers, reporter(quiet))
    found = [result for result in done if not result.error]
    rows = [
        [
            o.job.video.name,
            str(o.result["segments"]),
            str(o.result["symbols"]["total"]),
            f"{o.result['cbr']:.2e}",
            f"{o.seconds:.2f}",
        ]
        for o in found
    ]
    if rows:
        typer.echo(table(["video", "segments", "symbols", "CBR", "seconds"], rows))
    for result in found:
        if result.result["choices"]:
            typer.echo(f"choices for {result.job.video.name}: {'; '.join(result.result['choices'])}")
    typer.echo(f"\n{len(found)} of {len(videos)} videos in {folder}")
    complain(done)


def reporter(quiet: bool) -> Callable[[JobResult, int, int], None]:
    """Lines on stderr for each video that is done: what was changed on reading it, and how long it took."""

    def line(result: JobResult, done: int, total: int) -> None:
        say_notes(result.job.video, result.result.get("notes", []))
        if not quiet:
            note(f"{done}/{total} {result.job.video.name}: {result.error or f'{result.seconds:.2f} s'}")

    return line


def complain(done: Sequence[JobResult]) -> None:
    """Say which videos failed, and end with status 1 where one did."""
    failed = [result for result in done if result.error]
    for result in failed:
        note(f"failed: {result.job.video}: {result.error}")
    if failed:
        raise typer.Exit(1)
