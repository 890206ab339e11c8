"""``compare``: several schemes over the same clips, channels and budgets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lgvsc.cli.options import (
    METRICS,
    CaptionsOption,
    ChannelOption,
    ClusterOption,
    EngineOption,
    GpusOption,
    JobsOption,
    MaxSideOption,
    ObjectiveOption,
    PresetOption,
    QuietOption,
    SeedOption,
    SetOption,
    given_captions,
    note,
    numbers,
    workers_of,
)
from lgvsc.cli.reading import Sayer, read_through
from lgvsc.cli.tables import table
from lgvsc.core.files import make_folder, refuse_doubles, refuse_inputs, require_files

if TYPE_CHECKING:
    from lgvsc.experiments.compare import Cell
    from lgvsc.experiments.compare_table import Row


COMPARED = "psnr,ssim,ms_ssim,vmaf,lpips,dists"


def register(app: typer.Typer) -> None:
    app.command()(compare)


def compare(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the results; taken up where it stopped.")],
    schemes: Annotated[
        str, typer.Option("--schemes", "-s", help="Scheme ids with commas; h265-ldpc:paper[:ebn0] takes Table I.")
    ] = "layered-dsa,skem-dsa,h265-ldpc,av1-ldpc",
    snr_db: Annotated[str, typer.Option("--snr-db", help="SNRs in dB with commas.")] = "0,5,10",
    cbr: Annotated[str, typer.Option("--cbr", help='Budgets with commas; "" for none.')] = "6e-4",
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=0.001, help="Only the beginning of each clip.", show_default="all of it"),
    ] = None,
    captions: CaptionsOption = "own",
    trials: Annotated[int, typer.Option("--trials", help="Draws of the noise for each cell.")] = 1,
    show: Annotated[
        str | None,
        typer.Option(
            "--show", help="SNR,CBR of the side-by-side videos.", show_default="the last of each; none: no video"
        ),
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option("--anchor", help="Scheme that the others are held against.", show_default="the last codec named"),
    ] = None,
    engine: EngineOption = "local",
    jobs: JobsOption = 1,
    gpus_per_actor: GpusOption = 0.0,
    ray_address: ClusterOption = "",
    preset: PresetOption = "compact",
    channel: ChannelOption = None,
    seed: SeedOption = None,
    max_side: MaxSideOption = None,
    objective: ObjectiveOption = None,
    metrics: Annotated[str | None, typer.Option("--metrics", help=METRICS, show_default=COMPARED)] = None,
    settings: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Compare schemes: one table, plots, and videos side by side. All schemes meet the same noise.

    Example: lgvsc compare a.mp4 b.mp4 --schemes skem-dsa,h265-ldpc --snr-db -2,0,5,10 --cbr 3e-4,6e-4 -o out
    """
    snrs_db, cbrs = numbers(snr_db, "--snr-db"), numbers(cbr, "--cbr")
    shown = showing(show, snrs_db, cbrs)
    told = given_captions(videos, captions)
    videos = listed(videos)
    refuse_doubles(videos, "results")
    require_files(videos, "a video")
    workers = workers_of(engine, jobs, gpus_per_actor, ray_address)
    refuse_inputs([output / "side-by-side" / f"{video.stem}.mp4" for video in videos], videos)
    make_folder(output)

    from lgvsc.config import parse_settings
    from lgvsc.experiments.clips.excerpts import excerpt
    from lgvsc.experiments.compare import TABLE, plan
    from lgvsc.experiments.compare import compare as run_compare
    from lgvsc.experiments.compare_plots import write_plots
    from lgvsc.experiments.compare_table import means, summary, write_parquet

    own: dict[str, int | str] = {} if seed is None else {"seed": seed}
    own |= {"channel.kind": channel} if channel else {}
    own |= {"objective": objective} if objective else {}
    own |= {"link.max_side": max_side} if max_side else {}
    own |= {"link.metrics": metrics or COMPARED}
    clips = [excerpt(v, seconds, output / "clips", Sayer(v)) if seconds else v for v in videos]
    cells = plan(
        clips,
        [name for name in schemes.split(",") if name.strip()],
        snrs_db,
        cbrs,
        trials=trials,
        preset=preset,
        settings=own | parse_settings(settings or []),
        captions={clip: caption_of(video, told) for clip, video in zip(clips, videos, strict=True)} if told else None,
    )
    if not seconds:
        read_through(videos, cells[0].config.link.max_side)
    cells = [place_video(cell, output, shown) for cell in cells]
    rows = run_compare(cells, output / TABLE, workers=workers, on_row=None if quiet else report_row)
    made = [output / TABLE]
    if write_parquet(output / "compare.parquet", rows):
        made.append(output / "compare.parquet")
    else:
        note("no Parquet file: pip install 'lgvsc[bench]' brings pyarrow")
    found = means(rows)
    try:
        made += write_plots(found, output / "plots")
    except FileNotFoundError as error:
        note(f"no plots: {error}")
    made += side_by_side(cells, rows, output)
    header, lines = summary(found)
    typer.echo(table(header, lines))
    typer.echo(receiver_words(rows))
    against = anchor_of(rows, anchor)
    differences_of(rows, against)
    made += bd_table_of(rows, against, output, asked=anchor is not None)
    made += worst(cells, rows, output)
    typer.echo(f"\n{len(rows)} transmissions; {len(made)} files in {output}, the table is {output / TABLE}")
    failed = [row for row in rows if row.error]
    for row in failed:
        note(f"failed: {row.clip}, {row.name}, {row.snr_db:g} dB: {row.error}")
    if failed:
        raise typer.Exit(1)


def listed(videos: list[Path]) -> list[Path]:
    """The videos, with those of manifests in their place."""
    from lgvsc.experiments.data import clips_of, is_manifest

    return [clip for path in videos for clip in (clips_of(path) if is_manifest(path) else [path])]


def caption_of(video: Path, told: dict[Path, str]) -> str:
    """What the data set says of a clip.

    Raises:
        InputError: Nothing.
    """
    from lgvsc.errors import InputError

    if video not in told:
        raise InputError(f"no manifest has a caption of {video}; leave it out, or take --captions own")
    return told[video]


def showing(text: str | None, snrs_db: list[float], cbrs: list[float]) -> tuple[float, float | None] | None:
    """SNR and CBR of the cells whose videos are shown; ``None`` for none."""
    if text == "none" or not snrs_db:
        return None
    if text is None:
        return snrs_db[-1], cbrs[-1] if cbrs else None
    pair = numbers(text, "--show")
    if len(pair) != 2 or pair[0] not in snrs_db or pair[1] not in cbrs:
        raise typer.BadParameter("give one of the SNRs and one of the CBRs, as 5,6e-4", param_hint="--show")
    return pair[0], pair[1]


def place_video(cell: Cell, output: Path, shown: tuple[float, float | None] | None) -> Cell:
    """The cell, with a place for its video where that is to be shown."""
    from dataclasses import replace

    if shown is None or cell.trial or cell.mode == "paper":
        return cell
    if (cell.config.channel.snr_db, cell.cbr_target) != shown:
        return cell
    folder = output / "rebuilt"
    folder.mkdir(exist_ok=True)
    return replace(cell, keep=folder / f"{cell.clip.stem}.{cell.config.scheme}.{cell.key}.mp4")


def side_by_side(cells: list[Cell], rows: list[Row], output: Path) -> list[Path]:
    """The videos that were kept, one file for each clip."""
    from lgvsc.experiments.clips.side_by_side import write_side_by_side

    made = []
    clips = {cell.clip: cell.clip.stem for cell in cells}
    for clip, name in clips.items():
        pairs = zip(cells, rows, strict=True)
        mine = [(c, r) for c, r in pairs if c.clip == clip and c.keep and c.keep.exists() and not r.error]
        if not mine:
            continue
        _, first = mine[0]
        path = output / "side-by-side" / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        tiles = [(f"source, {first.snr_db:g} dB", clip)]
        tiles += [(f"{r.name}, CBR {r.cbr:.1e}{in_one_measure(r, 2)}", c.keep) for c, r in mine if c.keep]
        write_side_by_side(path, tiles)
        made.append(path)
    return made


def in_one_measure(row: Row, digits: int) -> str:
    """The first metric that was measured, for one line; nothing where none was."""
    from lgvsc.metrics.registry import BY_COLUMN

    for key in ("ssim", "ms_ssim", "psnr_db", "lpips", "dists"):
        value = getattr(row, key)
        if value is not None:
            return f", {BY_COLUMN[key].label} {value:.{digits}f}"
    return ""


def receiver_words(rows: list[Row]) -> str:
    """What the bill's columns mean."""
    from lgvsc.kinds import CONVENTIONAL

    codecs = any(row.name in CONVENTIONAL.schemes for row in rows)
    words = "rx s/s: seconds of the receiver for a second of video; rx weights: parameters of its networks"
    return words + (", none for a codec" if codecs else "")


def anchor_of(rows: list[Row], asked: str | None) -> str:
    """The scheme that the others are held against."""
    from lgvsc.errors import ConfigError
    from lgvsc.experiments.bd_rate import choose_anchor

    names = list(dict.fromkeys(row.name for row in rows))
    if asked is not None and asked not in names:
        raise ConfigError(f"--anchor is {asked!r}; compared were {', '.join(names)}")
    return choose_anchor(names, asked)


def differences_of(rows: list[Row], anchor: str) -> None:
    """Print how far the others are from the anchor, clip by clip."""
    from lgvsc.experiments.differences import difference_table, differences

    found = differences(rows, anchor)
    if found:
        typer.echo(f"\nminus the anchor, {anchor}, on the same clip: mean ± 95 % over clips (clips that are better)")
        typer.echo(table(*difference_table(found)))


def bd_table_of(rows: list[Row], anchor: str, output: Path, *, asked: bool) -> list[Path]:
    """Print BD-rates per clip, averaged, and write them; nothing where there are too few budgets."""
    import json
    from dataclasses import asdict

    from lgvsc.core.files import atomic_write
    from lgvsc.errors import MissingResourceError
    from lgvsc.experiments.bd_rate import MIN_POINTS, bd_rates, bd_table

    budgets, names = {row.cbr_target for row in rows if row.cbr_target}, {row.name for row in rows}
    if len(budgets) < MIN_POINTS or len(names) < 2:
        if asked:
            note(f"no BD-rate: its curves need {MIN_POINTS} budgets of two schemes; give them with --cbr")
        return []
    try:
        found = bd_rates(rows, anchor, ("ms_ssim", "lpips", "dists", "psnr_db"))
    except MissingResourceError as error:
        note(f"no BD-rate: {error}")
        return []
    if not found:
        return []
    typer.echo(f"\nsymbols beyond those of the anchor, {anchor}, per clip and then averaged")
    typer.echo(table(*bd_table(found)))
    path = output / "bd-rate.json"
    with atomic_write(path) as file:
        file.write(json.dumps({"anchor": anchor, "rows": [asdict(row) for row in found]}, indent=2).encode())
    return [path]


def worst(cells: list[Cell], rows: list[Row], output: Path) -> list[Path]:
    """A sheet of the clip that the first scheme did worst on, of the videos that were kept."""
    from lgvsc.experiments.worst_sheet import worst_clip, write_sheet
    from lgvsc.metrics.registry import BY_COLUMN

    shown = [
        (cell, row) for cell, row in zip(cells, rows, strict=True) if cell.keep and cell.keep.exists() and not row.error
    ]
    found = worst_clip([row for _, row in shown], shown[0][1].name) if shown else None
    if found is None:
        return []
    clip, key = found
    mine = [(cell, row) for cell, row in shown if row.clip == clip]
    videos = [(f"source {clip}", mine[0][0].clip)]
    for cell, row in mine:
        if cell.keep:
            videos.append((f"{row.name}, {BY_COLUMN[key].label} {getattr(row, key) or 0:.3f}", cell.keep))
    path = output / "worst.png"
    write_sheet(path, videos)
    typer.echo(f"\nworst clip of {shown[0][1].name} by {BY_COLUMN[key].label}: {clip}, see {path}")
    return [path]


def report_row(row: Row, done: int, total: int) -> None:
    """A line for each row, on stderr."""
    budget = f" at CBR {row.cbr_target:g}" if row.cbr_target else ""
    got = row.error or f"CBR {row.cbr:.2e}{in_one_measure(row, 3)}" + (f", lost {row.lost}" if row.lost else "")
    note(f"{done}/{total} {row.clip}, {row.name}, {row.snr_db:g} dB{budget}: {got}")
