"""Both ends of a live link and the hop between them, each in a thread of its own, joined by UDP on the loopback alone.

    source -> transmitter ~~> radio hop ~~> packets -> receiver -> player

Nothing waits without end: between any two of them a few seconds of video may wait, and of what is too much every second
part is left out and counted.
"""

from __future__ import annotations

import math
import queue
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from lgvsc import kinds
from lgvsc.coding.packets.packets import Assembler, PacketConfig
from lgvsc.config import Config, load_config
from lgvsc.core.interfaces import Provenance
from lgvsc.core.message import Segment
from lgvsc.core.video import Frame, Pixels, with_frames
from lgvsc.errors import ConfigError
from lgvsc.live import LOOPBACK, PATIENCE_S, POLL_S, Address, Sent, listening, send_packets, udp_socket
from lgvsc.schemes.generative import MessageScheme
from lgvsc.ui.live.hop import RadioHop
from lgvsc.ui.live.knobs import Panel
from lgvsc.ui.live.sources import Source
from lgvsc.ui.live.waiting import Waiting

SCHEMES = ("layered-dsa", "skem-dsa", "text-only")
SILENCE_S = 3.0  # from which on it is cut short
GATHER_S = 1.0  # of video in a segment, at most: most of the delay
LOOKS_PER_S = 2.0  # at which meanings are compared: half as many as for files, for half the work
WAITING_S = 2.0  # of video that waits between two threads, at most
ENDING_S = 20.0  # that the ends get to finish what is on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """What is settled before a live link starts.

    Attributes:
        scheme: One of ``SCHEMES``.
        coded_for_db: SNR that the transmitter believes.
        budget_kbps: Of small frames; keyframes come as the meaning changes.
        extra: Packets that make up for lost ones, as a share of the others.
        seed: Of noise, loss and generation.
    """

    scheme: str = "layered-dsa"
    coded_for_db: float = 6.0
    budget_kbps: float = 8.0
    extra: float = 0.25
    seed: int = 0

    def config(self, fps: float, look: float) -> Config:
        """The configuration of both ends."""
        frames = max(2, round(GATHER_S * fps))
        settings: dict[str, Any] = {"channel.snr_db": self.coded_for_db, "seed": self.seed, "world.look": look}
        settings |= {"keyframes.max_segment_frames": frames, "structure.group_frames": frames}
        settings |= {"keyframes.sample_fps": LOOKS_PER_S, "message.caption_frames": 2}
        settings |= {"structure.effort": "live", "structure.budget": f"{self.budget_kbps:g}kbps"}
        return load_config(scheme=self.scheme, settings=settings)


class TakenPicture(NamedTuple):
    """A picture of the source, and when it was taken by the clock of ``time.monotonic``."""

    pixels: Pixels
    at_s: float


class ShownFrame(NamedTuple):
    """A frame as the receiver shows it.

    Attributes:
        pixels: The picture.
        origin: Where it came from.
        caption: What was received of its segment in words.
        taken_s: When it was taken, NaN where that is unknown. No receiver can know it; whoever runs both ends does.
    """

    pixels: Pixels
    origin: Provenance
    caption: str
    taken_s: float


class HeardSegment(NamedTuple):
    """What is remembered of a segment that arrived: its words, and how many frames before it were skipped."""

    start: int
    caption: str
    skipped: int


@dataclass
class Numbers:
    """What is measured while the link runs; counts are from its beginning, rates of the last five seconds.

    Attributes:
        taken, unsent: Pictures of the source, and those among them that the transmitter left out, as it was behind.
        sent, handed: Packets that left, and that came out of the hop.
        noisy, dropped, late: Packets lost to noise, to the loss that was asked for, to a hop that was behind.
        kbit_per_s, ksymbols_per_s: On the air.
        segments, unmade: That came together, and those among them that the receiver left out, as it was behind.
        unshown: Frames that were made too late to be shown.
        skipped: Frames of long silences, which are not made up for.
        lost: Parts of segments that did not arrive, by name.
        behind_s: Age of the oldest picture that waits to be sent, and video that waits to be made.
        source_late_s: By how much a file was read too slowly, in all.
    """

    taken: int = 0
    unsent: int = 0
    sent: int = 0
    handed: int = 0
    noisy: int = 0
    dropped: int = 0
    late: int = 0
    kbit_per_s: float = 0.0
    ksymbols_per_s: float = 0.0
    segments: int = 0
    unmade: int = 0
    unshown: int = 0
    skipped: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    behind_s: float = 0.0
    source_late_s: float = 0.0

    @property
    def left_out(self) -> int:
        """Pictures and frames that were left out because a computer is too slow, segments counted as one."""
        return self.unsent + self.unmade + self.unshown


class LiveLink:
    """A link that runs inside ``with``.

    Args:
        source: Pictures in their own time.
        settings: What is settled.
        panel: What may change while it runs.

    Attributes:
        latest: The picture that the source gave last.

    Raises:
        ConfigError: The scheme has no message that packets could carry.
    """

    def __init__(self, source: Source, settings: LiveSettings, panel: Panel) -> None:
        self._source, self._panel, self._settings = source, panel, settings
        self._frame_s = float(1 / source.format.fps)
        self._scheme = messages(settings.config(float(source.format.fps), panel.now.look))
        self._hop_at, self._receiver_at = free_address(), free_address()
        self._hop = RadioHop(self._hop_at, self._receiver_at, settings.coded_for_db, panel, settings.seed)
        self._frames: Waiting[TakenPicture] = Waiting(WAITING_S, lambda _: self._frame_s)
        self._segments: Waiting[Segment] = Waiting(WAITING_S, lambda segment: len(segment) * self._frame_s)
        self._made: Waiting[ShownFrame] = Waiting(WAITING_S, lambda _: self._frame_s)
        self._taken_s: dict[int, float] = {}  # when the frames were taken that are on their way
        self._heard: deque[HeardSegment] = deque(maxlen=64)
        self._sent, self._lost, self._skipped = Sent(), Counter[str](), 0
        self._stopped, self._hung_up = threading.Event(), threading.Event()
        self._error: Exception | None = None
        self.latest: Pixels | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=(work, after), name=f"live{work.__name__}", daemon=True)
            for work, after in (
                (self._listen, self._segments.close),
                (self._carry, nothing),
                (self._make, self._made.close),
                (self._transmit, nothing),
                (self._take, self._frames.close),
            )
        ]

    def __enter__(self) -> Self:
        self._hop.prepare()  # all models first, so that nothing that is taken waits for them
        assert self._scheme.encoder and self._scheme.decoder
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._hung_up.set()
        for thread in self._threads:
            thread.join(ENDING_S)

    def stop(self) -> None:
        """Take no more pictures; what is on its way still comes."""
        self._stopped.set()

    def play(self) -> Iterator[ShownFrame | None]:
        """What the receiver shows, a frame at a time, each when it is due; ``None`` while the next is not there.

        Raises:
            LgvscError: One of the parts failed, with its reason.
        """
        due_s = time.monotonic()
        while not self._made.over:
            if self._error is not None:
                raise self._error
            yield self._made.take_now()
            due_s = max(due_s, time.monotonic() - self._frame_s) + self._frame_s
            time.sleep(max(0.0, due_s - time.monotonic()))
        if self._error is not None:
            raise self._error

    def numbers(self) -> Numbers:
        """What is measured, up to now."""
        counts, now_s = self._hop.counts, time.monotonic()
        bits, symbols = counts.rates(now_s)
        oldest = self._frames.first()
        return Numbers(
            taken=self._frames.put_in,
            unsent=self._frames.left_out,
            sent=self._sent.packets,
            noisy=counts.noisy,
            dropped=counts.dropped,
            late=counts.late,
            handed=counts.handed,
            kbit_per_s=bits / 1e3,
            ksymbols_per_s=symbols / 1e3,
            segments=self._segments.put_in,
            unmade=self._segments.left_out,
            unshown=self._made.left_out,
            skipped=self._skipped,
            lost=dict(self._lost),
            behind_s=(now_s - oldest.at_s if oldest else 0.0) + self._segments.waiting_s,
            source_late_s=self._source.late_s,
        )

    def _guarded(self, work: Callable[[], None], after: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # whoever plays is told
            self._error = self._error or error
            self._stopped.set()
            self._hung_up.set()
        finally:
            after()

    def _take(self) -> None:
        for picture in self._source.pictures(self._stopped):
            self.latest = picture
            self._frames.put(TakenPicture(picture, time.monotonic()))

    def _transmit(self) -> None:
        with udp_socket(self._hop_at) as outgoing:
            segments = self._scheme.segments(self._numbered(), self._source.format)
            send_packets(segments, PacketConfig(extra=self._settings.extra), outgoing, self._hop_at, self._sent)

    def _numbered(self) -> Iterator[Frame]:
        for index, taken in enumerate(self._frames):
            self._taken_s[index] = taken.at_s
            yield Frame(index, taken.pixels)

    def _carry(self) -> None:
        self._hop.run(self._hung_up)

    def _listen(self) -> None:
        assembler = Assembler(PATIENCE_S)
        with listening(self._receiver_at) as packets:
            while not (self._hung_up.is_set() or assembler.over(time.monotonic())):
                with suppress(queue.Empty):
                    assembler.add(*packets.get(timeout=POLL_S))
                for segment in assembler.due(time.monotonic()):
                    self._segments.put(segment)
            for segment in assembler.finish():
                self._segments.put(segment)

    def _make(self) -> None:
        for piece in self._scheme.decoder.videos(self._arriving()):
            for frame, origin in zip(piece.video, piece.provenance, strict=True):
                heard = self._heard_at(frame.index)
                taken_s = self._taken_s.pop(frame.index + heard.skipped, math.nan)
                self._made.put(ShownFrame(frame.pixels, origin, heard.caption, taken_s))

    def _arriving(self) -> Iterator[Segment]:
        """Segments as the decoder gets them. Long silences are cut short: it would make all their frames first."""
        stop = skipped = 0
        for segment in self._segments:
            silence = segment.start - skipped - stop
            if silence > SILENCE_S / self._frame_s:
                skipped += silence
                self._skipped += silence
            start, stop = segment.start - skipped, segment.stop - skipped
            cut = None if segment.cut is None else segment.cut - skipped
            self._heard.append(HeardSegment(start, segment.caption or "", skipped))
            self._lost.update(part.replace("_", " ") for part, status in segment.status.items() if status == "lost")
            self._scheme.decoder.change_look(self._panel.now.look)
            frames = segment.video.frames
            video = with_frames(segment.video, None if frames is None else frames - skipped)
            yield segment.changed(video=video, start=start, stop=stop, cut=cut)

    def _heard_at(self, index: int) -> HeardSegment:
        """The segment of a frame; the one before it, where its own was lost."""
        return next((heard for heard in reversed(self._heard.copy()) if heard.start <= index), HeardSegment(0, "", 0))


def messages(config: Config) -> MessageScheme:
    """The scheme of both ends.

    Raises:
        ConfigError: It has no message that packets could carry.
    """
    scheme = kinds.scheme(config)
    if not isinstance(scheme, MessageScheme):
        raise ConfigError(f"scheme {config.scheme} is not sent live; take {', '.join(SCHEMES)}")
    return scheme


def free_address() -> Address:
    """A UDP port of the loopback that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        return Address(*probe.getsockname())


def nothing() -> None:
    """Nothing comes after."""
