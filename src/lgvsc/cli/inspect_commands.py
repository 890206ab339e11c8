"""Looking inside: what a message says, where keyframes fall and why, how alike two pictures are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lgvsc.cli.options import (
    ClusterOption,
    EngineOption,
    ForceOption,
    GpusOption,
    JobsOption,
    JsonOption,
    MaxSideOption,
    PresetOption,
    QuietOption,
    SetOption,
    VideosArgument,
    cache_folder,
    note,
    print_json,
    progress,
    resolve,
    workers_of,
)
from lgvsc.cli.reading import on_open, say_notes
from lgvsc.cli.tables import cost_table, table
from lgvsc.core.files import atomic_write, check_outputs, make_folder, require_files, require_folder
from lgvsc.errors import InputError

if TYPE_CHECKING:
    pass

FocusOption = Annotated[
    str | None, typer.Option("--focus", help="general, main_object or background.", show_default="all three")
]

message_app = typer.Typer(no_args_is_help=True, help="Look inside a semantic message.")


def register(app: typer.Typer) -> None:
    app.add_typer(message_app, name="message")
    for command in (keyframes, score, calibrate):
        app.command()(command)


@message_app.command("show")
def show_message(
    file: Annotated[Path, typer.Argument(help="A .lgvsc file.", show_default=False)], as_json: JsonOption = False
) -> None:
    """The message in words."""
    from lgvsc.core.container import message_view, read_segments

    damage: list[tuple[int, int]] = []
    view = message_view(read_segments(file, lambda start, stop: damage.append((start, stop))))
    if not view["segments"]:
        raise InputError(f"{file} holds no intact segment")
    if as_json:
        print_json(view | {"damaged_bytes": damage})
    else:
        for line in message_lines(view):
            typer.echo(line)
    for start, stop in damage:
        note(f"damaged: bytes {start}-{stop - 1} hold no intact segment")
    for start, stop in view["missing_frames"]:
        note(f"missing: frames {start}-{stop - 1} are in no segment")


def message_lines(view: dict[str, Any]) -> Iterator[str]:
    """A message in words, from its view."""
    rows = view["segments"]
    yield f"{rows[-1]['video']}, {len(rows)} segments"
    for row in rows:
        start, stop, fps, motion = row["start"], row["stop"], row["fps"], row["motion"]
        pictures = "keyframe" if row["keyframe"] else "no keyframe"
        pictures += ", closing keyframe" if row["closing_keyframe"] else ""
        drawn = len(row["sketches"])
        pictures += f", {drawn} sketch{'es' if drawn > 1 else ''}" if drawn else ""
        layer = row["structure"]
        if layer:
            pictures += f", {layer['bytes']} bytes of small frames ({layer['eighths']}/8, 1 in {layer['step']})"
        pictures += f", hard cut at frame {row['cut']}" if row["cut"] is not None else ""
        yield f"\nframes {start}-{stop - 1}, {start / fps:.2f}-{stop / fps:.2f} s: {pictures}"
        yield f"  caption  {printable(row['caption'])}"
        if motion:
            path = f"pan {motion['pan']:+.2f} tilt {motion['tilt']:+.2f} zoom {motion['zoom']:+.2f}"
            yield f"  motion   score {motion['score']:.1f}, camera {motion['camera']}, {path}"
        if row["colours"]:
            top, *_, bottom = row["colours"]
            yield f"  colours  8x8 cells, top from #{top[0]} to #{top[-1]}, bottom from #{bottom[0]} to #{bottom[-1]}"
        if row["divergence"] is not None:
            yield f"  opened at divergence {row['divergence']:+.3f}"


def keyframes(
    videos: VideosArgument,
    preset: PresetOption = "compact",
    max_side: MaxSideOption = None,
    settings: SetOption = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Divergence curve as SVG.", show_default="none")] = None,
    cost: Annotated[bool, typer.Option("--cost", help="What captioner and judge did for it.")] = False,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Keyframes with and without keyframes.skip_still, side by side.")
    ] = False,
    engine: EngineOption = "local",
    jobs: JobsOption = 1,
    gpus_per_actor: GpusOption = 0.0,
    ray_address: ClusterOption = "",
    as_json: JsonOption = False,
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """Divergence curve and keyframes of a video, or of several, without sending them.

    Examples: lgvsc keyframes walk.mp4 --set keyframes.focus=background --plot walk.svg,
    lgvsc keyframes clips/*.mp4 --jobs 4
    """
    require_files(videos, "a video")
    check_outputs(plot, force=force, inputs=videos)
    if len(videos) > 1 and (plot or agreement):
        raise typer.BadParameter("--plot and --agreement take one video")
    config = resolve(preset, "skem-dsa", settings, max_side=max_side)
    if len(videos) > 1 or engine != "local":
        from lgvsc.cli.many_videos import keyframes_of_many

        workers = workers_of(engine, jobs, gpus_per_actor, ray_address)
        keyframes_of_many(videos, config, workers, show_cost=cost, as_json=as_json, quiet=quiet)
        return
    (video,) = videos

    from lgvsc import inspection

    if agreement:
        compared = inspection.still_agreement(video, config, progress(quiet), on_open(video, quiet))
        if as_json:
            print_json(compared.as_json())
            return
        typer.echo(f"with the filter     {compared.filtered}\nwithout            {compared.full}")
        typer.echo(f"agreement {compared.score:.2f}, {compared.pairs_spared:.0%} of the pairs spared")
        return
    found = inspection.find_keyframes(video, config, progress(quiet), on_open=on_open(video, quiet))
    if plot:
        from lgvsc.ui.plots import divergence_svg

        with atomic_write(plot) as file:
            file.write(divergence_svg(found.curve, found.threshold, found.indices, found.fps).encode())
        note(f"plot {plot}")
    if as_json:
        print_json(found.as_json())
        return
    rows = [
        [str(k.index), f"{k.index / found.fps:.2f}", "-" if k.divergence is None else f"{k.divergence:+.3f}", k.why]
        for k in found.keyframes
    ]
    typer.echo(table(["frame", "second", "divergence", "why"], rows))
    typer.echo(f"\n{len(rows)} keyframes, {len(found.curve)} pairs scored, threshold {found.threshold:g}")
    if found.cuts:
        typer.echo(f"hard cuts at frames {', '.join(map(str, found.cuts))}")
    if cost:
        typer.echo("\n" + cost_table(found.cost, found.wasted_share))
        typer.echo(
            f"\na minute of video takes {found.seconds_per_minute:.2f} s, "
            f"{found.processor_seconds_per_minute:.2f} s of "
            "processor time, reading the file included"
        )


def score(
    first: Annotated[Path, typer.Argument(help="A picture.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Another one of the same size.", show_default=False)],
    focus: FocusOption = None,
    preset: PresetOption = "compact",
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """How alike two pictures are in meaning: S_abs = P(Yes), S_rel = P(No) - P(Yes).

    Example: lgvsc score a.png b.png --focus background
    """
    from lgvsc.core.interfaces import FOCUSES

    focuses = [focus] if focus else list(FOCUSES)
    settings = settings or []
    configs = {name: resolve(preset, "skem-dsa", [*settings, f"keyframes.focus={name}"]) for name in focuses}

    from lgvsc import inspection

    notes: dict[str, None] = {}
    scores = {
        name: inspection.score_pictures(first, second, config, lambda words: notes.update({words: None}))
        for name, config in configs.items()
    }
    for words in notes:
        note(words)
    if as_json:
        print_json({name: asdict(found) for name, found in scores.items()})
        return
    rows = [
        [name, f"{s.p_yes:.4f}", f"{s.p_no:.4f}", f"{s.s_abs:.4f}", f"{s.s_rel:+.4f}", f"{s.covered_mass:.4f}"]
        for name, s in scores.items()
    ]
    typer.echo(table(["focus", "P(Yes)", "P(No)", "S_abs", "S_rel", "mass"], rows))
    texts = next(iter(scores.values())).texts
    typer.echo(f"\nfirst   {printable(texts[0])}\nsecond  {printable(texts[1])}")


def calibrate(
    folder: Annotated[Path, typer.Argument(help="Clips to calibrate on.", show_default=False)],
    target_cbr: Annotated[
        float | None, typer.Option("--target-cbr", help="Mean CBR to reach.", show_default=False)
    ] = None,
    target_keyframes: Annotated[
        float | None, typer.Option("--target-keyframes", help="Mean keyframes per clip.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many clips; 0 for all.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Where to store the threshold.", show_default="where lgvsc keeps such things"
        ),
    ] = None,
    preset: PresetOption = "compact",
    settings: SetOption = None,
    as_json: JsonOption = False,
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """The threshold that reaches a target rate, mean over a folder of clips. It is stored with all that it depends on.

    Example: lgvsc calibrate clips/ --target-cbr 6e-4
    """
    require_folder(folder, "clips")
    if output:
        check_outputs(output, force=force)
    else:
        make_folder(cache_folder() / "thresholds")
    if (target_cbr is None) == (target_keyframes is None):
        raise typer.BadParameter("give one of --target-cbr and --target-keyframes")
    if not 0 < (target_cbr or target_keyframes or 0.0) < math.inf:
        raise typer.BadParameter("the target is a number above 0")
    config = resolve(preset, "skem-dsa", settings)

    from lgvsc import inspection

    found, stored = inspection.calibrate(
        folder,
        config,
        cbr=target_cbr,
        keyframes=target_keyframes,
        limit=limit,
        on_progress=progress(quiet, "clips"),
        on_notes=say_notes,
    )
    output = output or threshold_path(stored.identity)
    stored.write(output)
    if as_json:
        print_json(found.as_json() | {"identity": stored.identity, "stored": str(output)})
        return
    rows = [[f"{p.threshold:.3f}", f"{p.keyframes:.2f}", f"{p.cbr:.2e}"] for p in found.curve]
    typer.echo(table(["threshold", "keyframes", "CBR"], rows))
    if not found.within:
        note("even one segment for each clip is more than the target")
    typer.echo(f"\nkeyframes.threshold = {found.threshold:.3f}, for this score only; to use it:")
    typer.echo(f"--set judge.threshold_file={output}")


def threshold_path(identity: dict[str, Any]) -> Path:
    """Where the threshold of a score is kept; a new calibration takes the place of an older one."""
    from lgvsc.semantics.thresholds import digest

    judge = str(identity["judge"]["model"]).replace("/", "--")
    return cache_folder() / "thresholds" / f"{judge}-{identity['mode']}-{identity['focus']}-{digest(identity)}.json"


def printable(text: str | None) -> str:
    """Text from outside, without what could steer a terminal."""
    return "(none)" if text is None else "".join(c if c.isprintable() else "?" for c in text)
