"""The story in one file: a video is put into words and pictures, sent through noise, and made again.

    Video -> transmit -> channel -> reconstruct -> Video'      and, beside it, a record of what it cost

Each step is a generator, so one segment at a time is on its way and memory does not grow with the video.
Read on in ``schemes/generative.py``.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, Self, TypeVar

import torch

from lgvsc import build, kinds, planning
from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.channel.pulse import TAIL_SYMBOLS, whole_rate
from lgvsc.channel.radio import RadioChannel, RadioConfig
from lgvsc.channel.sigmf import SigmfReader, SigmfWriter, WaveformWriter
from lgvsc.channel.waveform import added_symbols
from lgvsc.config import command_of
from lgvsc.core.air import Reception
from lgvsc.core.clock import Stopwatch
from lgvsc.core.container import message_writer, write_message
from lgvsc.core.interfaces import Rebuilt
from lgvsc.core.ledger import Ledger, LedgerEntry, charge
from lgvsc.core.message import Segment
from lgvsc.core.provenance import TAG, ProvenanceRuns, badged, write_sidecar
from lgvsc.core.video import Frame, VideoFormat, VideoReader, VideoWriter, with_frames
from lgvsc.errors import ConfigError, LgvscError
from lgvsc.metrics.measuring import OnLook, VideoMeter
from lgvsc.record import Record, fingerprint
from lgvsc.semantics.frame_words import describe_pixels
from lgvsc.settings import Config

RADIO_FRAME = "radio frame"  # its label in the ledger
GENERATED = {"comment": "Generated content: rebuilt by lgvsc from a semantic message. Not a recording."}
DECODED = {"comment": "Decoded by lgvsc from what arrived of the pictures themselves."}

Thing = TypeVar("Thing")
Progress = Callable[[int, int | None], None]
OnOpen = Callable[[VideoFormat, list[str]], None]


class Air(Protocol):
    """What takes bursts one by one while it is open: a recording, or a socket."""

    def write(self, received: Reception) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None: ...


def handed(note: Callable[[Thing], None], thing: Thing) -> Thing:
    """The thing, once somebody has taken note of it."""
    note(thing)
    return thing


def ignore(_: object) -> None:
    """Take no note."""


class NothingReceivedError(LgvscError):
    """Not one burst could be read, so the receiver does not even know the size of the video."""

    def __init__(
        self, why: str = "no control block could be read; the channel is too bad, or these are no symbols of its kind"
    ) -> None:
        super().__init__(f"nothing of the video arrived: {why}")


def run(
    source: Path,
    config: Config,
    *,
    output: Path,
    message: Path | None = None,
    recording: Path | None = None,
    on_progress: Progress | None = None,
    trial: int = 0,
    on_open: OnOpen = lambda *_: None,
) -> Record:
    """Send a video through the whole link and measure what came out.

    Args:
        source: Any file that PyAV can read.
        config: From :func:`lgvsc.config.load_config`.
        output: Where the rebuilt video goes. It appears when it is whole.
        message: Where what was sent goes as well, as an ``.lgvsc`` file to read; ``None`` keeps none.
        recording: Stem of a SigMF recording of what was received, from which :func:`receive` makes the same video;
            ``None`` keeps none.
        on_progress: Called with the number of frames done and, where known, of all frames.
        trial: Which of many draws of the channel's noise.
        on_open: Called with the source's format and what was changed on reading it, at the beginning and at the end.

    Returns:
        The record: symbols by purpose, segments as sent and as received, metrics, seconds per stage.

    Raises:
        InputError: The file is no video.
        NothingReceivedError: No burst could be read at the receiver.
    """
    clock = Stopwatch()
    side = config.link.max_side
    with ExitStack() as kept:
        reader, original = (kept.enter_context(VideoReader(source, max_side=side)) for _ in range(2))
        keep = kept.enter_context(message_writer(message)) if message else ignore
        keep_symbols = kept.enter_context(SigmfWriter(recording, force=True)).write if recording else ignore
        on_open(reader.format, reader.notes)
        allowed = kinds.allowed_cbr(reader.format, config)
        command = command_of(config, source.name) if trial == 0 else None
        with clock.stage("semantics"):
            config, choices = kinds.fit_to_budget(reader, config)
        record = Record(config, source, fingerprint(source), reader.format, choices, allowed, command)
        scheme = kinds.scheme(config, clock, watch=record.chose, cost=record.cost)
        channel = build.channel(config, clip=record.sha256, trial=trial)

        frames = clock.during("source", reader)
        bursts = (
            record.sent(handed(keep, segment), burst) for segment, burst in scheme.transmit(frames, reader.format)
        )
        receptions = clock.during("channel", (handed(keep_symbols, channel(burst.symbols)) for burst in bursts))
        pieces = scheme.reconstruct(receptions, on_segment=record.received)

        written = write_pieces(pieces, output, config, clock, on_piece=record.rebuilt)
        meter = meter_of(config, record.looked)
        measure(written, clock.during("source", original), clock, meter, on_progress, reader.format.frames)
        record.source_notes, record.source_damage = reader.notes, reader.damage
        on_open(reader.format, reader.notes)
    with clock.stage("metrics"):
        meter.add_files(source, output, max_side=side)
        record.measured = meter.result()
    record.finish(clock.seconds(), output)
    return record


def send(
    source: Path,
    config: Config,
    *,
    message: Path,
    symbols: Path,
    samples_per_symbol: int | None = None,
    force: bool = False,
    on_progress: Progress | None = None,
    on_choices: Callable[[list[str]], None] = lambda _: None,
    on_open: OnOpen = lambda *_: None,
) -> Ledger:
    """The transmitter alone: a message to read, and symbols to send.

    Args:
        message: ``.lgvsc`` file to write.
        symbols: Stem of the SigMF recording to write.
        samples_per_symbol: Write a waveform for a radio, 2 to 32 samples for each symbol; what its frames add is
            charged. ``None`` writes the symbols themselves.
        on_open: Called with the source's format and what was changed on reading it, at the beginning and at the end.
        on_choices: Called once, at the end, with what the budget and ``auto`` came to, in words.

    Raises:
        ConfigError: So many samples for each symbol are not written.
    """
    if samples_per_symbol is not None:
        whole_rate(samples_per_symbol)

    def air(config: Config, clip: str) -> SigmfWriter:
        if samples_per_symbol is None:
            return SigmfWriter(symbols, clip=clip, force=force)
        rate_hz = config.link.symbol_rate_hz
        return WaveformWriter(
            symbols, samples_per_symbol=samples_per_symbol, symbol_rate_hz=rate_hz, clip=clip, force=force
        )

    return transmit(
        source,
        config,
        air,
        message=message,
        framed=samples_per_symbol is not None,
        on_progress=on_progress,
        on_choices=on_choices,
        on_open=on_open,
    )


def transmit(
    source: Path,
    config: Config,
    open_air: Callable[[Config, str], Air],
    *,
    message: Path | None = None,
    framed: bool = False,
    on_progress: Progress | None = None,
    on_choices: Callable[[list[str]], None] = lambda _: None,
    on_open: OnOpen = lambda *_: None,
) -> Ledger:
    """The transmitter alone, into the air that the caller opens.

    Args:
        open_air: Given the configuration that is left when the budget is fitted, and what names the source in the
            channel's seed.
        message: ``.lgvsc`` file to write; ``None`` writes none.
        framed: The air puts each burst into a radio frame, which is charged and within the budget.
        on_progress, on_choices, on_open: See :func:`send`.
    """
    entries: list[LedgerEntry] = []
    stop = 0

    def leaving() -> Iterator[Segment]:
        nonlocal stop
        for segment, burst in scheme.transmit(reader, reader.format):
            air.write(Reception(burst.symbols, torch.zeros(len(burst))))
            entries.extend(charge(burst))
            if framed:
                entries.append(LedgerEntry(burst.index, "control", RADIO_FRAME, added_symbols(len(burst)), 0))
            stop = segment.stop
            if on_progress:
                on_progress(stop, reader.format.frames)
            yield segment

    with VideoReader(source, max_side=config.link.max_side) as reader:
        on_open(reader.format, reader.notes)
        if framed:
            config = config.model_copy(update={"coding": replace(config.coding, framed=True)})
        allowed = kinds.allowed_cbr(reader.format, config)
        config, choices = kinds.fit_to_budget(reader, config)
        scheme = kinds.scheme(config)
        with open_air(config, fingerprint(source)) as air:
            if message is None:
                deque(leaving(), maxlen=0)
            else:
                write_message(message, leaving())
        if framed and entries:
            entries.append(LedgerEntry(entries[-1].segment, "control", RADIO_FRAME, TAIL_SYMBOLS, 0))
        on_open(reader.format, reader.notes)
    ledger = Ledger(tuple(entries), with_frames(reader.format, stop))
    on_choices(planning.with_passed(choices, ledger.cbr, allowed))
    return ledger


def cross(
    transmission: Path, config: Config, *, received: Path, radio: RadioConfig | None = None, force: bool = False
) -> int:
    """The channel alone, from recording to recording. Returns the number of symbols, or of samples of a waveform.

    Args:
        radio: What the radios add to a waveform; noise alone where it is ``None``.

    Raises:
        ConfigError: A waveform, and a channel other than noise; or a radio for symbols, which have no waveform.
    """
    sent = SigmfReader(transmission)
    if sent.samples_per_symbol is not None:
        return _cross_waveform(sent, sent.samples_per_symbol, config, radio or RadioConfig(), received, force)
    if radio is not None:
        raise ConfigError(f"{transmission} holds symbols, which no radio changes; send with --samples-per-symbol 4")
    channel = build.channel(config, clip=sent.clip)
    with SigmfWriter(received, force=force) as air:
        for piece in sent:
            air.write(channel(piece.symbols))
    return sent.symbols


def _cross_waveform(
    sent: SigmfReader, samples_per_symbol: float, config: Config, radio: RadioConfig, received: Path, force: bool
) -> int:
    noise = build.channel(config, clip=sent.clip)
    if not isinstance(noise, AwgnChannel):
        raise ConfigError("a waveform passes through noise and radios only; use channel.kind = 'awgn' alone")
    channel = RadioChannel(radio, noise.snr_db, child_generator(config.seed, "radio", sent.clip, noise.snr_db))
    with SigmfWriter(received, samples_per_symbol=samples_per_symbol * radio.rate, force=force) as air:
        for samples in sent.as_recorded():
            air.write_samples(channel(samples.numpy()))
        air.write_samples(channel.finish())
    return sent.symbols


def receive(
    recording: Path,
    config: Config,
    *,
    output: Path,
    samples_per_symbol: float | None = None,
    on_progress: Progress | None = None,
    on_segment: Callable[[Segment], None] = ignore,
    on_piece: Callable[[Rebuilt], None] = ignore,
) -> Arrived:
    """The receiver alone. It reads the recording and its own configuration, nothing else.

    Args:
        samples_per_symbol: Of a waveform that a radio recorded at a rate of its own; ``None``: see the recording.
        on_segment, on_piece: Called with each segment as it arrived, and with each piece of the video.

    Raises:
        InputError: The recording is missing or damaged.
        NothingReceivedError: No burst could be read.
    """
    arrived = Arrived()
    scheme = kinds.scheme(config)
    receptions = SigmfReader(recording, samples_per_symbol=samples_per_symbol)
    arrived.notes += receptions.notes
    pieces = scheme.reconstruct(receptions, on_segment=lambda segment: arrived.segment(handed(on_segment, segment)))
    pieces = (handed(on_piece, piece) for piece in pieces)
    try:
        for frame in write_pieces(pieces, output, config, Stopwatch(), on_piece=arrived.piece):
            if on_progress:
                on_progress(frame.index + 1, arrived.frames)
    except NothingReceivedError as error:
        if why := receptions.no_burst:
            raise NothingReceivedError(why) from error
        raise
    return arrived


@dataclass
class Arrived:
    """What the receiver can say about its own video."""

    frames: int | None = None
    notes: list[str] = field(default_factory=list)  # on the recording
    lost: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)

    def segment(self, segment: Segment) -> None:
        """Count what is missing from a segment."""
        self.frames = segment.video.frames
        self.lost.update(part.replace("_", " ") for part, status in segment.status.items() if status == "lost")

    def piece(self, piece: Rebuilt) -> None:
        """Count where frames came from."""
        self.origins.update(piece.provenance)

    def lines(self) -> list[str]:
        """A sentence or two."""
        frames = ", ".join(f"{count} {origin}" for origin, count in self.origins.items())
        lost = ", ".join(f"{count} {part}" for part, count in self.lost.items())
        return [*self.notes, f"{self.origins.total()} frames: {frames}", *([f"lost: {lost}"] if lost else [])]


def write_pieces(
    pieces: Iterable[Rebuilt],
    output: Path,
    config: Config,
    clock: Stopwatch,
    on_piece: Callable[[Rebuilt], None] = lambda _: None,
) -> Iterator[Frame]:
    """Write the rebuilt video as it comes, handing each frame on.

    The file's own metadata and a sidecar, see :mod:`lgvsc.core.provenance`, say of each frame where it came from. With
    ``link.badge`` the picture says it too; the frames handed on do not.

    Raises:
        NothingReceivedError: There was no piece at all.
    """
    iterator = iter(pieces)
    piece = next(iterator, None)
    if piece is None:
        raise NothingReceivedError
    provenance = ProvenanceRuns()
    made_by = GENERATED if kinds.kind_of(config.scheme).generated else DECODED
    with VideoWriter(output, piece.video.format, pixel_format=config.link.pixel_format, metadata=made_by) as writer:
        while piece is not None:
            on_piece(piece)
            provenance.add(piece)
            for frame, origin in zip(piece.video, piece.provenance, strict=True):
                with clock.stage("output"):
                    writer.write(badged(frame.pixels, origin) if config.link.badge else frame.pixels)
                yield frame
            piece = next(iterator, None)
        statement = provenance.statement(generated=made_by is GENERATED)
        writer.describe(**{TAG: json.dumps(statement)})
    write_sidecar(output, statement)


def measure(
    rebuilt: Iterable[Frame],
    original: Iterable[Frame],
    clock: Stopwatch,
    meter: VideoMeter,
    on_progress: Progress | None = None,
    total: int | None = None,
) -> None:
    """Compare frame by frame; both videos are read once, side by side."""
    for made, true in zip(rebuilt, original, strict=False):
        with clock.stage("metrics"):
            meter.add(true.pixels, made.pixels)
        if on_progress:
            on_progress(made.index + 1, total)
    for _ in rebuilt:  # a wrong announced length must not cut the video short of what the receiver makes
        pass


def meter_of(config: Config, on_look: OnLook = lambda *_: None) -> VideoMeter:
    """What measures the metrics of a configuration."""
    asked = config.link
    look_every = max(asked.metrics_every, asked.look_every)
    return VideoMeter(
        asked.metrics, every=asked.metrics_every, look_every=look_every, describe=describe_pixels, on_look=on_look
    )
