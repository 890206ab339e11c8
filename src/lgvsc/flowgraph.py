"""A waveform to and from a flowgraph that runs at the same time: GNU Radio, or another lgvsc, behind ZeroMQ.

The same as ``send`` and ``receive`` of recordings, see ``link.py``, but nothing is written to a file on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from lgvsc import kinds
from lgvsc.channel.synchronisation import recover
from lgvsc.channel.zeromq import SampleSource, WaveformSink
from lgvsc.coding.burst.framing import SEARCH_SYMBOLS
from lgvsc.core.air import Reception
from lgvsc.core.clock import Stopwatch
from lgvsc.core.ledger import Ledger
from lgvsc.core.message import Segment
from lgvsc.link import Arrived, NothingReceivedError, OnOpen, Progress, transmit, write_pieces
from lgvsc.settings import Config

# Behind each burst, which its frame holds whole: whoever reads bursts looks ahead, and would wait for the next one.
ERASED = Reception(torch.zeros(SEARCH_SYMBOLS, dtype=torch.complex64), torch.full((SEARCH_SYMBOLS,), math.inf))


def send(
    source: Path,
    config: Config,
    *,
    to: WaveformSink,
    on_progress: Progress | None = None,
    on_choices: Callable[[list[str]], None] = lambda _: None,
    on_open: OnOpen = lambda *_: None,
) -> Ledger:
    """The transmitter alone: each burst leaves as soon as its segment has ended.

    Raises:
        LgvscError: Nobody takes the samples.
    """
    return transmit(
        source,
        config,
        lambda _config, _clip: to,
        framed=True,
        on_progress=on_progress,
        on_choices=on_choices,
        on_open=on_open,
    )


def receive(
    config: Config,
    *,
    listen: SampleSource,
    samples_per_symbol: float,
    output: Path,
    on_progress: Progress | None = None,
) -> Arrived:
    """The receiver alone. It ends with the last segment of a video, or when no burst has come for the source's timeout.

    Args:
        samples_per_symbol: Sample rate over symbol rate, 1.5 to 32, not necessarily whole.

    Raises:
        NothingReceivedError: No burst could be read.
    """
    arrived = Arrived()
    bursts = 0

    def heard() -> Iterator[Reception]:
        nonlocal bursts
        listen.renew()  # while models were loaded, nobody listened
        for burst in recover(listen, samples_per_symbol):
            bursts += 1
            yield burst
            yield ERASED
            listen.renew()  # while pictures were made, nobody listened

    def understood(segment: Segment) -> None:
        arrived.segment(segment)
        if segment.last:
            listen.stop()

    with listen:
        pieces = kinds.scheme(config).reconstruct(heard(), on_segment=understood)
        try:
            for frame in write_pieces(pieces, output, config, Stopwatch(), on_piece=arrived.piece):
                if on_progress:
                    on_progress(frame.index + 1, arrived.frames)
        except NothingReceivedError as error:
            raise NothingReceivedError(_why_nothing(listen, bursts, samples_per_symbol)) from error
    return arrived


def _why_nothing(source: SampleSource, bursts: int, samples_per_symbol: float) -> str:
    if not source.samples:
        return (
            f"no sample came from {source.address} within {source.timeout_s:g} s; is the sender bound to "
            "it, and does --timeout-s leave it time for its first segment?"
        )
    if not bursts:
        return (
            f"{source.samples} samples came from {source.address}, and no burst was found in them; are there "
            f"{samples_per_symbol:g} of them for each symbol?"
        )
    return f"{bursts} bursts came from {source.address}, and no control block could be read; the channel is too bad"
