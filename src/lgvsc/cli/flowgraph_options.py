"""What ``--zmq`` does in ``send`` and ``receive``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from lgvsc.cli.options import note, print_sent, progress
from lgvsc.cli.reading import on_open
from lgvsc.core.files import require_file
from lgvsc.errors import ConfigError

if TYPE_CHECKING:
    from lgvsc.channel.zeromq import Pattern
    from lgvsc.config import Config
    from lgvsc.link import Arrived

ZmqOption = Annotated[
    str | None,
    typer.Option(
        "--zmq",
        metavar="ADDRESS",
        help="Samples over ZeroMQ instead, as GNU Radio's blocks: tcp://127.0.0.1:PORT. send binds, receive connects.",
        show_default=False,
    ),
]
ZmqPatternOption = Annotated[
    str, typer.Option("--zmq-pattern", help="push-pull or pub-sub: which of GNU Radio's blocks is at the other end.")
]


def send_samples(
    video: Path,
    config: Config,
    address: str,
    samples_per_symbol: int | None,
    pattern: str,
    timeout_s: float,
    *,
    quiet: bool,
) -> None:
    """``send --zmq``."""
    if samples_per_symbol is None:
        raise ConfigError("--zmq carries a waveform; say how it is sampled, as --samples-per-symbol 4")
    require_file(video, "a video")

    from lgvsc import flowgraph
    from lgvsc.channel.zeromq import WaveformSink

    choices: list[str] = []
    sink = WaveformSink(
        address, samples_per_symbol=samples_per_symbol, pattern=cast("Pattern", pattern), timeout_s=timeout_s
    )
    sent = flowgraph.send(
        video,
        config,
        to=sink,
        on_progress=progress(quiet),
        on_choices=choices.extend,
        on_open=on_open(video, quiet),
    )
    print_sent(sent, choices)
    typer.echo(f"{sink.samples} samples to {address}")


def receive_samples(
    config: Config,
    address: str,
    samples_per_symbol: float | None,
    pattern: str,
    timeout_s: float,
    output: Path,
    *,
    quiet: bool,
) -> Arrived:
    """``receive --zmq``."""
    if samples_per_symbol is None:
        raise ConfigError(
            "samples over ZeroMQ do not say what they are; give --samples-per-symbol, their rate over the symbol rate"
        )

    from lgvsc import flowgraph
    from lgvsc.channel.zeromq import SampleSource

    source = SampleSource(address, pattern=cast("Pattern", pattern), timeout_s=timeout_s)
    if not quiet:
        note(f"listening to {address}, until {timeout_s:g} s pass without a burst")
    return flowgraph.receive(
        config, listen=source, samples_per_symbol=samples_per_symbol, output=output, on_progress=progress(quiet)
    )
