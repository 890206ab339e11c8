"""Options that several commands share, and how they become a configuration."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from lgvsc.config import Config
    from lgvsc.core.ledger import Ledger
    from lgvsc.experiments.jobs.workers import Workers

VideoArgument = Annotated[Path, typer.Argument(help="Any video file that FFmpeg can read.", show_default=False)]
VideosArgument = Annotated[list[Path], typer.Argument(help="Video files that FFmpeg can read.", show_default=False)]
PresetOption = Annotated[
    str,
    typer.Option(
        "--preset", "-p", help="compact, paper, modern, gvsc-compact, gvsc-paper, gvsc-modern, or a TOML file."
    ),
]
SchemeOption = Annotated[
    str | None,
    typer.Option(
        "--scheme",
        "-s",
        help="layered-dsa, skem-dsa, auto, text-only, gvsc-sketch, av1-ldpc, ...",
        show_default="layered-dsa with compact, skem-dsa with other presets",
    ),
]
SnrOption = Annotated[float | None, typer.Option("--snr-db", help="Es/N0 in dB per complex symbol.", show_default="10")]
ChannelOption = Annotated[
    str | None, typer.Option("--channel", "-c", help="awgn, rayleigh or tdl.", show_default="awgn")
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", help="Seeds the channel and the world model.", show_default="the preset's, or 0")
]
BudgetOption = Annotated[
    str | None,
    typer.Option("--budget", help="Limit on all symbols: 5kbps, 2000symbols or 6e-4cbr.", show_default="none"),
]
ObjectiveOption = Annotated[
    str | None,
    typer.Option(
        "--objective",
        help="What a budget is spent for: look (LPIPS) or structure (MS-SSIM).",
        show_default="look",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting, e.g. keyframes.threshold=0.2 (repeatable).",
        show_default="none",
    ),
]
METRICS = (
    "With commas: psnr, ssim, ms_ssim, vmaf, vmaf_neg, lpips, lpips_vgg, dists, flicker, e_warp, sharpness, "
    "objects_kept, clip, bert."
)
MetricsOption = Annotated[
    str | None, typer.Option("--metrics", help=METRICS, show_default="psnr,ssim,ms_ssim,vmaf,lpips")
]
CaptionsOption = Annotated[
    str,
    typer.Option(
        "--captions",
        metavar="own|dataset",
        help="Who describes clips: the transmitter's captioner, or the manifest that they are named by.",
    ),
]
MaxSideOption = Annotated[
    int | None,
    typer.Option(
        "--max-side",
        metavar="N",
        min=16,
        help="Make larger videos smaller first, to so many pixels on the longer side; CBR and metrics are over the "
        "smaller video.",
        show_default="as it is",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace existing outputs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EngineOption = Annotated[str, typer.Option("--engine", help="Who does the work: local (processes) or ray (actors).")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes or actors at once.")]
GpusOption = Annotated[
    float, typer.Option("--gpus-per-actor", help="GPUs that an actor reserves; 0.5 lets two share one.")
]
ClusterOption = Annotated[
    str,
    typer.Option(
        "--ray-address",
        help="HOST:PORT of a running Ray cluster, or auto.",
        show_default="this machine",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


def resolve(
    preset: str,
    scheme: str | None,
    settings: list[str] | None = None,
    *,
    snr_db: float | None = None,
    channel: str | None = None,
    seed: int | None = None,
    budget: str | None = None,
    max_side: int | None = None,
    metrics: str | None = None,
    objective: str | None = None,
) -> Config:
    """A configuration from the command line's options; ``--set`` has the last word."""
    from lgvsc.config import load_config, parse_settings

    named = {
        "channel.snr_db": snr_db,
        "channel.kind": channel,
        "seed": seed,
        "coding.budget": budget,
        "link.max_side": max_side,
    }
    named |= {"link.metrics": metrics, "objective": objective}
    given = {key: value for key, value in named.items() if value is not None}
    config = load_config(preset, scheme, given | parse_settings(settings or []))
    if config.judge.mode == "cached" and not config.judge.cache_dir:
        kept = config.judge.model_copy(update={"cache_dir": str(cache_folder() / "descriptions")})
        config = config.model_copy(update={"judge": kept})
    use_threads(config)
    return config


def workers_of(engine: str, jobs: int, gpus: float, address: str) -> Workers:
    """Who does the work, as the options say."""
    from lgvsc.experiments.jobs.workers import Workers

    return Workers(engine=engine, count=jobs, gpus=gpus, address=address)  # type: ignore[arg-type]


def given_captions(sources: list[Path], whose: str) -> dict[Path, str] | None:
    """What is said of clips, by their paths; ``None`` where the captioner speaks."""
    from lgvsc.errors import InputError
    from lgvsc.experiments.data import captions_in

    if whose not in ("own", "dataset"):
        raise typer.BadParameter(f"{whose!r} describes no clips; there are own and dataset", param_hint="--captions")
    if whose == "own":
        return None
    found = captions_in(sources)
    if not found:
        raise InputError("--captions dataset takes the captions of a manifest of `lgvsc data`, and none here has any")
    return found


def use_threads(config: Config) -> None:
    """As many threads of PyTorch as the configuration says, unless ``OMP_NUM_THREADS`` does."""
    if config.link.threads and "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(config.link.threads)


def cache_folder() -> Path:
    """Where lgvsc keeps what it could work out again: ``LGVSC_CACHE``, or the usual place of this system."""
    named = os.environ.get("LGVSC_CACHE")
    usual = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named) if named else Path(usual) / "lgvsc"


def numbers(text: str, option: str) -> list[float]:
    """Numbers with commas between them, at least one."""
    try:
        return [float(word) for word in text.rstrip(", ").split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} are no numbers with commas between them", param_hint=option) from error


def print_json(value: Any) -> None:
    """Machine-readable result on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def note(text: str) -> None:
    """A line for people, on stderr."""
    typer.echo(text, err=True)


def print_sent(sent: Ledger, choices: list[str]) -> None:
    """What a transmission decided, and what it takes."""
    if choices:
        typer.echo("choices: " + "; ".join(choices))
    typer.echo(f"{sent.entries[-1].segment + 1} segments, {sent.symbols['total']} symbols, CBR {sent.cbr:.2e}")


def progress(quiet: bool, unit: str = "frames") -> Callable[[int, int | None], None] | None:
    """A counter on a terminal, a line every ten seconds elsewhere, nothing when quiet."""
    if quiet:
        return None
    terminal = sys.stderr.isatty()
    started = time.monotonic()
    shown = started - (1.0 if terminal else 0.0)

    def show(done: int, total: int | None) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < (0.2 if terminal else 10.0) and done != total:
            return
        shown = now
        of = f"/{total}" if total else ""
        rate = done / max(1e-3, now - started)
        line = f"{done}{of} {unit}"
        if done:
            line += f", {rate:.0f} per second" if rate >= 10 else f", {rate:.2g} per second"
        if total and total / 20 <= done < total:  # before that, models are loaded and budgets planned
            line += f", about {duration_in_words((total - done) / rate)} to go"
        if terminal:
            end = "\n" if done == total else ""
            typer.echo(f"\r\x1b[K{bar(done, total)}{line}{end}", err=True, nl=False)
        elif done != total:
            note(line)

    return show


def bar(done: int, total: int | None, width: int = 20) -> str:
    """A bar for a terminal; nothing where the end is not known."""
    if not total:
        return ""
    full = min(width, width * done // total)
    return f"[{'#' * full}{'.' * (width - full)}] "


def duration_in_words(seconds: float) -> str:
    """Seconds for people who wait."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
