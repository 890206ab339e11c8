"""The conventional schemes: a standard video codec, 5G LDPC and QAM, as an engineer would build it.

One burst for each group of pictures: preamble, control block, and the coded pictures as one payload. Three modes.
``paper`` takes quantiser, group length, code rate and modulation from Table I of LGVSC, whatever rate comes of it.
``adaptive`` fills a budget with the best of size, frame rate and quantiser, under the modulation and code that the
channel carries. ``gvsc`` fills it as GVSC does, by the quantiser alone under 4-QAM. None knows at the receiver what was
not sent and charged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lgvsc.channel.common import erase_bad
from lgvsc.coding.belief import Belief
from lgvsc.coding.budget import Budget
from lgvsc.coding.burst.control import VideoControl, described
from lgvsc.coding.burst.framing import ControlRead
from lgvsc.coding.frames.elementary import CODECS, CodecName
from lgvsc.coding.frames.format_search import FormatChoice, FormatSearch, Objective
from lgvsc.coding.frames.formats import STEPS, Format, Gop, picture_at, picture_count
from lgvsc.coding.frames.standard_codec import COARSEST, CodedGop, Quantiser, coded_size, decode_gop, encode_gop, to_rgb
from lgvsc.coding.modem.digital import LADDER, TABLE_1_LADDER, Mcs, encode_bits, max_payload_bits, mcs_at, symbol_count
from lgvsc.coding.modem.link_adaptation import required_snr_db
from lgvsc.coding.modem.prefix import intact_prefix
from lgvsc.core.air import Burst, Part, Reception
from lgvsc.core.clock import Stopwatch
from lgvsc.core.interfaces import Rebuilt
from lgvsc.core.message import PARTS, PartStatus, Segment
from lgvsc.core.video import Frame, Pixels, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.schemes.bursts_in_order import bursts_in_order
from lgvsc.schemes.player import Decoded, Player
from lgvsc.schemes.table_1 import PaperRow, paper_row

MAX_GOP_FRAMES = VideoControl.most("length")
MAX_PAYLOAD_BYTES = VideoControl.most("payload_bytes")
MAX_GOP_BYTES = 256 << 20  # of pictures in 4:2:0 that the transmitter holds at once
GVSC_SCHEME = (2, 3 / 4)  # bits per symbol and code rate
TYPICAL_BITS = 8000  # fixes the spectral efficiency by which a budget in bit/s becomes symbols


@dataclass(frozen=True, slots=True, kw_only=True)
class ConventionalConfig:
    """How video is coded and sent.

    Attributes:
        codec: H.264, H.265, AV1, or VVC where the extra ``bench`` is installed.
        mode: ``"adaptive"`` fills ``budget``; ``"paper"`` follows Table I of LGVSC; ``"gvsc"`` fills ``budget`` by the
            quantiser alone, under 4-QAM and LDPC of rate 3/4 (GVSC, section IV-B, which gives no rate).
        budget: Limit on all symbols, for example ``"6e-4cbr"``; not in paper mode.
        gop_frames: Longest group of pictures in adaptive mode; the generative scheme's longest segment by default.
        objective: What the search makes large, at the source's size and rate.
    """

    codec: CodecName = "h265"
    mode: Literal["adaptive", "paper", "gvsc"] = "adaptive"
    budget: str = "6e-4cbr"
    gop_frames: int = 240
    objective: Objective = "ssim"

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ConfigError(f"conventional.codec is {self.codec!r}; there are {', '.join(CODECS)}")
        Budget.parse(self.budget)
        if not 1 <= self.gop_frames <= MAX_GOP_FRAMES:
            raise ConfigError(f"conventional.gop_frames is {self.gop_frames}; control carries 1 to {MAX_GOP_FRAMES}")
        if self.mode not in ("adaptive", "paper", "gvsc"):
            raise ConfigError(f"conventional.mode is {self.mode!r}; there are adaptive, paper and gvsc")
        if self.mode == "gvsc" and self.codec not in ("h264", "h265"):
            raise ConfigError(f"conventional.mode = 'gvsc' is there for h264 and h265, not for {self.codec}")

    def in_words(self, snr_db: float) -> list[str]:
        """What the scheme goes by at an SNR that the transmitter believes."""
        if self.mode == "gvsc":
            return [f"budget {self.budget}, filled by the quantiser alone under 4-QAM and LDPC of rate 3/4"]
        if self.mode == "adaptive":
            return [f"budget {self.budget}; size, frame rate and quantiser are searched"]
        return [f"Table I of LGVSC at {snr_db:g} dB: {paper_row(self.codec, snr_db).in_words()}"]


class ConventionalScheme:
    """Both ends of the link. The receiver's half uses nothing of the arguments.

    Args:
        name: Scheme id, for example ``h265-ldpc``.
        belief: What the transmitter believes of the channel.
        config: See :class:`ConventionalConfig`.
        row: Of Table I, in paper mode, and then alone.
        clock: Counts the seconds of each stage.
    """

    def __init__(
        self,
        name: str,
        belief: Belief,
        config: ConventionalConfig,
        row: PaperRow | None = None,
        *,
        clock: Stopwatch | None = None,
    ) -> None:
        self.name = name
        self._config = config
        self._clock = clock or Stopwatch()
        if (config.mode == "paper") != (row is not None):
            raise ConfigError("a row of Table I belongs to conventional.mode = 'paper' and to no other mode")
        self._row, self._belief = row, belief

    def transmit(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
        """One burst for each group of pictures, as soon as the group has ended."""
        sender = _Sender(video, self._config, self._row, self._belief)
        groups = self._clock.during("semantics", groups_of(frames, video, sender.gop_frames))
        return self._clock.during("coding_send", (sender.send(gop, last) for gop, last in groups))

    def reconstruct(
        self, receptions: Iterable[Reception], on_segment: Callable[[Segment], None] = lambda _: None
    ) -> Iterator[Rebuilt]:
        """The video, piece by piece, from received symbols and granted channel state alone.

        Args:
            receptions: What arrives, in pieces of any size.
            on_segment: Called with each group of pictures as it was received.
        """
        groups = self._clock.during("coding_receive", received_groups(receptions, on_segment))
        return self._clock.during("world", Player().play(groups))


# Transmitter


def groups_of(frames: Iterable[Frame], video: VideoFormat, gop_frames: int) -> Iterator[tuple[Gop, bool]]:
    """Groups of ``gop_frames`` frames, and whether it is the last one. Of the source, one group is in memory."""
    gop: Gop | None = None
    for frame in frames:
        if gop is not None and len(gop) == gop_frames:
            yield gop, False
            gop = None
        gop = gop or Gop(frame.index, video.height, video.width)
        gop.add(frame.pixels)
    if gop is not None:
        yield gop, True


def group_length(video: VideoFormat, longest: int) -> int:
    """Frames of a group: as long as allowed and as memory holds, but equal where the video's length is known."""
    longest = max(1, min(longest, MAX_GOP_BYTES * 2 // (3 * video.height * video.width)))
    if not video.frames:
        return longest
    groups = -(-video.frames // longest)
    return -(-video.frames // groups)


class _Sender:
    """What the transmitter remembers from one group to the next: unspent symbols and the search's last choice."""

    def __init__(self, video: VideoFormat, config: ConventionalConfig, row: PaperRow | None, belief: Belief) -> None:
        self._video, self._config, self._row, self._belief = video, config, row, belief
        self._head_symbols = belief.head_symbols(VideoControl)
        self._search = FormatSearch(config.codec, config.objective)
        self._credit = 0.0
        self._index = 0
        self._per_frame = 0.0 if row else belief.symbols_per_frame(config.budget, video, TYPICAL_BITS, "video")
        self.gop_frames = row.gop_frames if row else group_length(video, config.gop_frames)

    def send(self, gop: Gop, last: bool) -> tuple[Segment, Burst]:
        """The next group as a burst."""
        self._credit += self._per_frame * len(gop) - self._head_symbols
        if self._row:
            choice, mcs = self._by_table(gop, self._row)
        else:
            choice, mcs = self._by_quantiser(gop) if self._config.mode == "gvsc" else self._adapted(gop)
        coded = choice.coded
        control = VideoControl(
            **described(self._video, gop.start, len(gop), last) | {"height": gop.height, "width": gop.width},
            codec=CODECS.index(self._config.codec),
            constant_qp=int(choice.quantiser.constant_qp),
            eighths=choice.format.eighths - 1,
            step=STEPS.index(choice.format.step),
            payload_bytes=len(coded.payload),
            mcs=mcs.index,
            headers_sent=int(coded.headers_sent),
            header_qp=coded.header_qp,
            header_check=coded.header_check,
        )
        parts = [control.part(self._belief.esn0_db)]
        if coded.payload:
            symbols = encode_bits(np.unpackbits(np.frombuffer(coded.payload, np.uint8)), mcs)
            self._credit -= len(symbols)
            parts.append(
                Part("video", symbols, 8 * len(coded.payload), _described(gop, choice, mcs, self._config.codec))
            )
        self._index += 1
        return control.segment(), Burst(self._index - 1, tuple(parts))

    def _by_table(self, gop: Gop, row: PaperRow) -> tuple[FormatChoice, Mcs]:
        whole, quantiser = Format(8, 1), Quantiser(row.qp, constant_qp=True)
        coded = encode_gop(self._config.codec, gop.pictures(whole), quantiser)
        index = len(LADDER) + TABLE_1_LADDER.index((row.bits_per_symbol, row.code_rate))
        return FormatChoice(whole, quantiser, coded, 1), mcs_at(index, 8 * len(coded.payload))

    def _by_quantiser(self, gop: Gop) -> tuple[FormatChoice, Mcs]:
        """All pictures at their own size with the finest constant QP that fits; the coarsest where none does."""
        index, whole = len(LADDER) + TABLE_1_LADDER.index(GVSC_SCHEME), Format(8, 1)
        low, high = 0, int(COARSEST[self._config.codec])
        best: FormatChoice | None = None
        codings = 0
        while low < high or best is None:
            qp = (low + high) // 2
            coded = encode_gop(self._config.codec, gop.pictures(whole), Quantiser(qp, constant_qp=True))
            codings += 1
            bits = 8 * len(coded.payload)
            if symbol_count(bits, mcs_at(index, bits)) <= self._credit or qp == int(COARSEST[self._config.codec]):
                best, high = FormatChoice(whole, Quantiser(qp, constant_qp=True), coded, codings), qp
            else:
                low = qp + 1
        return best, mcs_at(index, 8 * len(best.coded.payload))

    def _adapted(self, gop: Gop) -> tuple[FormatChoice, Mcs]:
        room, index = most_bytes(int(self._credit), self._belief.esn0_db)
        choice = self._search.best(gop, room) if room else None
        if choice is None:
            return FormatChoice(Format(8, 1), Quantiser(0), CodedGop(b"", False, 0, 0), 0), mcs_at(0, 8)
        payload_bits = 8 * len(choice.coded.payload)
        mcs = self._belief.mcs(payload_bits, "video")
        if symbol_count(payload_bits, mcs) > self._credit:
            mcs = mcs_at(index, payload_bits)
        return choice, mcs


def most_bytes(symbols: int, snr_db: float) -> tuple[int, int]:
    """The longest payload that so many symbols carry safely at this SNR, and its entry of the ladder."""
    best = (0, 0)
    for index in range(len(LADDER)):
        count = min(max_payload_bits(symbols, index) // 8, MAX_PAYLOAD_BYTES) if symbols > 0 else 0
        safe = index == 0 or (count and required_snr_db(8 * count, mcs_at(index, 8 * count), "video") <= snr_db)
        if safe and count > best[0]:
            best = count, index
    return best


def _described(gop: Gop, choice: FormatChoice, mcs: Mcs, codec: CodecName) -> str:
    height, width = gop.size(choice.format)
    quantiser = f"{'QP' if choice.quantiser.constant_qp or codec == 'vvc' else 'CRF'} {choice.quantiser.value:g}"
    modem = f"{2**mcs.bits_per_symbol}-QAM, {mcs.code.upper() if mcs.code == 'ldpc' else mcs.code} {mcs.code_rate:.2f}"
    rate = f"1 frame in {choice.format.step}" if choice.format.step < len(gop) else "1 frame"
    return f"{width}x{height}, {rate}, {quantiser}, {modem}"


# Receiver


def received_groups(
    receptions: Iterable[Reception], on_segment: Callable[[Segment], None] = lambda _: None
) -> Iterator[Decoded]:
    """Groups of pictures whose control could be read, in order, each with the frames that can still be decoded."""

    def heard(control: VideoControl, body: Reception) -> tuple[Segment, bytes]:
        body, erased = erase_bad(body)
        payload = read_payload(control, body)
        whole = len(payload) == control.payload_bytes
        video: PartStatus = "absent" if not control.payload_bytes else "ok" if whole else "lost"
        status = {**dict.fromkeys(PARTS, "absent"), "control": "ok", "video": video}
        return control.segment().changed(status=status, erased_symbols=erased), payload

    for segment, control, payload in bursts_in_order(receptions, read_control, heard):
        on_segment(segment)
        yield Decoded(segment, frames_of(control, payload))


def read_control(received: Reception) -> ControlRead[VideoControl] | None:
    """What follows a preamble, as control; ``None`` where it is none."""
    read = VideoControl.read(received)
    return ControlRead(read[0], control_symbols=read[1], body_symbols=read[0].body_symbols) if read else None


def read_payload(control: VideoControl, body: Reception) -> bytes:
    """The payload, or what there is of it before the first lost code block."""
    if not control.payload_bytes:
        return b""
    bits = 8 * control.payload_bytes
    prefix = intact_prefix(body, bits, mcs_at(control.mcs, bits))
    return np.packbits(prefix[: len(prefix) // 8 * 8]).tobytes()


def frames_of(control: VideoControl, payload: bytes) -> Iterator[tuple[int, Pixels]]:
    """Frames of the video for which there is a picture, rising. A picture stands for ``step`` frames."""
    codec, step = CODECS[control.codec], STEPS[control.step]
    size = coded_size(control.height, control.width, control.eighths + 1)
    coded = CodedGop(payload, bool(control.headers_sent), control.header_qp, control.header_check)
    pictures = picture_count(control.length, step)
    frame = 0
    for picture in decode_gop(codec, coded, size, bool(control.constant_qp)):
        if picture.position >= pictures:
            return
        while frame < control.length and picture_at(frame, step, pictures) < picture.position:
            frame += 1
        shown = to_rgb(picture.frame, control.height, control.width)
        while frame < control.length and picture_at(frame, step, pictures) == picture.position:
            yield control.start + frame, shown
            frame += 1
