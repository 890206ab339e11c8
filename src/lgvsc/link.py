"""The story in one file: a video is put into words and pictures, sent through noise, and made again.

    Video -> transmit -> channel -> reconstruct -> Video'      and, beside it, a record of what it cost

Each step is a generator, so one segment at a time is on its way and memory does not grow with the video.
Read on in ``schemes/generative.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lgvsc import build
from lgvsc.config import Config
from lgvsc.core.clock import Stopwatch
from lgvsc.core.interfaces import Rebuilt
from lgvsc.core.video import Frame, VideoReader, VideoWriter
from lgvsc.errors import LgvscError
from lgvsc.metrics.quality import QualityMeter
from lgvsc.record import Record, fingerprint

GENERATED = {"comment": "Generated content: rebuilt by lgvsc from a semantic message. Not a recording."}

Progress = Callable[[int, int | None], None]


class NothingReceivedError(LgvscError):
    """Not one burst could be read, so the receiver does not even know the size of the video."""

    def __init__(self) -> None:
        super().__init__("nothing of the video arrived: no control block could be read; the channel is too bad for it")


def run(source: Path, config: Config, *, output: Path, on_progress: Progress | None = None) -> Record:
    """Send a video through the whole link and measure what came out.

    Args:
        source: Any file that PyAV can read.
        config: From :func:`lgvsc.config.load_config`.
        output: Where the rebuilt video goes. It appears when it is whole.
        on_progress: Called with the number of frames done and, where known, of all frames.

    Returns:
        The record: symbols by purpose, segments as sent and as received, metrics, seconds per stage.

    Raises:
        InputError: The file is no video.
        NothingReceivedError: No burst could be read at the receiver.
    """
    clock = Stopwatch()
    with VideoReader(source) as reader, VideoReader(source) as original:
        record = Record(config, source, fingerprint(source), reader.format)
        scheme = build.scheme(config, reader.format, clock)
        channel = build.channel(config, clip=record.sha256)

        frames = clock.during("source", reader)
        bursts = (record.sent(segment, burst) for segment, burst in scheme.transmit(frames, reader.format))
        receptions = clock.during("channel", (channel(burst.symbols) for burst in bursts))
        pieces = scheme.reconstruct(receptions, on_segment=record.received)

        written = write_pieces(pieces, output, clock, on_piece=record.rebuilt)
        record.metrics = measure(written, clock.during("source", original), clock, on_progress, reader.format.frames)
    record.finish(clock.seconds(), output)
    return record


def write_pieces(
    pieces: Iterable[Rebuilt], output: Path, clock: Stopwatch, on_piece: Callable[[Rebuilt], None]
) -> Iterator[Frame]:
    """Write the rebuilt video as it comes, handing each frame on.

    Raises:
        NothingReceivedError: There was no piece at all.
    """
    iterator = iter(pieces)
    piece = next(iterator, None)
    if piece is None:
        raise NothingReceivedError
    with VideoWriter(output, piece.video.format, metadata=GENERATED) as writer:
        while piece is not None:
            on_piece(piece)
            for frame in piece.video:
                with clock.stage("output"):
                    writer.write(frame.pixels)
                yield frame
            piece = next(iterator, None)


def measure(
    rebuilt: Iterable[Frame],
    original: Iterable[Frame],
    clock: Stopwatch,
    on_progress: Progress | None = None,
    total: int | None = None,
) -> dict[str, object]:
    """Compare frame by frame; both videos are read once, side by side."""
    meter = QualityMeter()
    for made, true in zip(rebuilt, original, strict=False):
        with clock.stage("metrics"):
            meter.add(true.pixels, made.pixels)
        if on_progress:
            on_progress(made.index + 1, total)
    for _ in rebuilt:  # a wrong announced length must not cut the video short of what the receiver makes
        pass
    return meter.result().as_report()
