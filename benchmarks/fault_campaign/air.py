"""Received symbols: values that are no numbers, fades, lost and doubled bursts, control blocks that lie."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from fault_campaign.parsers import codec, small_picture
from fault_campaign.verdicts import Case, Outcome, Verdict
from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.belief import Belief
from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.burst.framing import PREAMBLE
from lgvsc.coding.message_codec import MessageCodec
from lgvsc.core.air import Reception
from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import VideoFormat
from lgvsc.world.decoder import SemanticDecoder

SNR_DB = 12.0
SEGMENTS, LENGTH = 3, 10  # of the message, and frames of each segment
SIZE = (32, 48)
NOTHING_ARRIVED = Verdict(Outcome.REFUSED, "nothing of the video arrived")


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """A message on the air.

    Attributes:
        bursts: Symbols of each segment.
        clean: The segments as they arrive without any fault, by start.
        exact: Whether pictures must arrive exactly or not at all; learned codes fall off softly.
    """

    codec: MessageCodec
    bursts: tuple[Tensor, ...]
    clean: dict[int, Segment]
    exact: bool


def message() -> list[Segment]:
    from fractions import Fraction

    video = VideoFormat(*SIZE, Fraction(25), SEGMENTS * LENGTH)
    return [
        Segment(
            video=video,
            start=LENGTH * index,
            stop=LENGTH * index + LENGTH,
            caption=f"A small boat on a lake, number {index}.",
            keyframe=np.roll(small_picture(*SIZE), 5 * index, 1),
            closing_keyframe=small_picture(*SIZE) if index == SEGMENTS - 1 else None,
            motion=Motion(score=1.5, camera="pan left", pan=-0.25),
            last=index == SEGMENTS - 1,
        )
        for index in range(SEGMENTS)
    ]


@cache
def digital() -> Sent:
    """Every part over the digital link."""
    return sent_by(codec(), exact=True)


@cache
def learned() -> Sent:
    """Keyframes by the learned code."""
    from lgvsc.coding.message_codec import CodingConfig
    from lgvsc.coding.pictures.roads import PictureRoads
    from lgvsc.models.catalog import load

    return sent_by(
        MessageCodec(PictureRoads([load("compact-ntscc")]), Belief(10.0), CodingConfig(keyframe_cbr=0.05)), exact=False
    )


def sent_by(coder: MessageCodec, exact: bool) -> Sent:
    bursts = tuple(burst.symbols for _, burst in coder.encode(message()))
    clean = {segment.start: segment for segment in coder.decode([noisy(torch.cat(bursts))])}
    assert len(clean) == SEGMENTS, "the message arrives where nothing is wrong"
    return Sent(coder, bursts, clean, exact)


def noisy(symbols: Tensor, snr_db: float = SNR_DB, seed: int = 0) -> Reception:
    return AwgnChannel(snr_db, seeded(seed))(symbols)


def received_verdict(sent: Sent, received: Reception) -> Verdict:
    """Receive, make the video, and compare every part with what was sent."""
    return segments_verdict(list(sent.codec.decode([received])), sent.clean, sent.exact)


def segments_verdict(segments: list[Segment], expected: dict[int, Segment], exact: bool = True) -> Verdict:
    """The same for segments as they arrived, whichever way they came."""
    damaged = len(segments) != SEGMENTS
    for segment in segments:
        if segment.status == {"control": "lost"}:  # a stretch of which is only known that it was there
            damaged = True
            continue
        clean = expected.get(segment.start)
        if clean is None or (segment.stop, segment.last, segment.cut) != (clean.stop, clean.last, clean.cut):
            return Verdict(Outcome.WRONG, f"frames [{segment.start}, {segment.stop}) were never announced")
        problem = wrong_part(segment, clean, exact)
        if problem:
            return Verdict(Outcome.WRONG, problem)
        damaged |= bool(segment.erased_symbols) or "lost" in segment.status.values()
    if not segments:
        return NOTHING_ARRIVED
    problem = wrong_video(segments)
    if problem:
        return Verdict(Outcome.WRONG, problem)
    return Verdict(Outcome.REPORTED if damaged else Outcome.HARMLESS)


def wrong_part(got: Segment, clean: Segment, exact: bool) -> str:
    """What arrived is what was sent, or it is ``None`` and its status says so."""
    for name, part in (("caption", "caption"), ("motion", "side"), ("keyframe", "keyframe"), ("closing_keyframe",) * 2):
        here, there, told = getattr(got, name), getattr(clean, name), got.status[part]
        if there is None:
            if here is not None or told != "absent":
                return f"a {name} of frame {got.start} that nobody sent, {told}"
        elif here is None:
            if told != "lost":
                return f"the {name} of frame {got.start} is gone and called {told}"
        elif told != "ok":
            return f"the {name} of frame {got.start} is there and called {told}"
        elif isinstance(here, np.ndarray):
            if here.shape != there.shape or (exact and not np.array_equal(here, there)):
                return f"the {name} of frame {got.start} is another picture"
        elif here != there:
            return f"the {name} of frame {got.start} is {here!r}"
    return ""


def wrong_video(segments: list[Segment]) -> str:
    """As many frames as were announced, in order, each with its origin; *received* ones are the keyframes."""
    from lgvsc.models.catalog import load

    pictures = {s.start: s.keyframe for s in segments} | {s.stop - 1: s.closing_keyframe for s in segments if s.last}
    index = 0
    for piece in SemanticDecoder(load("motion-interpolation")).videos(segments):
        if piece.video.start != index or len(piece.provenance) != len(piece.video):
            return f"a piece at frame {piece.video.start} follows frame {index}"
        for frame, origin in zip(piece.video, piece.provenance, strict=True):
            shown = pictures.get(frame.index)
            if origin == "received" and (shown is None or not np.array_equal(frame.pixels, shown)):
                return f"frame {frame.index} is called received and was not"
            index += 1
    total = SEGMENTS * LENGTH
    return "" if index == total else f"{index} frames of {total}"


# Faults


def changed(
    received: Reception, where: Tensor, symbols: complex | None = None, variance: float | None = None
) -> Reception:
    """The reception with other values at some places."""
    new = Reception(received.symbols.clone(), received.noise_variance.clone())
    if symbols is not None:
        new.symbols[where] = symbols
    if variance is not None:
        new.noise_variance[where] = variance
    return new


def places(count: int, share: float, run: bool, seed: int) -> Tensor:
    """A share of all symbols, scattered or in one run."""
    chosen = max(1, round(share * count))
    if run:
        start = int(torch.randint(count - chosen + 1, (1,), generator=seeded(seed)))
        return torch.arange(start, start + chosen)
    return torch.randperm(count, generator=seeded(seed))[:chosen]


INF, NAN = float("inf"), float("nan")
BAD_SYMBOLS = {
    "NaN": complex(NAN, NAN),
    "half NaN": complex(NAN, 1),
    "infinite": complex(INF, -INF),
    "zero": 0j,
    "1e30": complex(1e30, 1e30),
    "stuck at 3": 3 + 0j,
    "denormal": complex(1e-42, 1e-42),
}
BAD_VARIANCES = {"NaN": NAN, "infinite": INF, "negative": -1.0, "zero": 0.0, "1e30": 1e30, "denormal": 1e-42}


def bad_values(seeds: int = 2, road: Callable[[], Sent] = digital) -> Iterator[Case]:
    """Symbols and noise variances that mean nothing, few or many, scattered or in a run."""
    sent = road()
    clean = noisy(torch.cat(sent.bursts))
    for share in (0.001, 0.01, 0.05, 0.2, 0.5, 1.0):
        for seed in range(1 if share == 1.0 else seeds):
            for run in (False, True):
                where = places(len(clean), share, run, seed)
                kind = f"{share:.1%} in {'a run' if run else 'places'}, seed {seed}"
                for name, value in BAD_SYMBOLS.items():
                    damaged = changed(clean, where, symbols=value)
                    yield Case(f"symbols {name}, {kind}", lambda r=damaged: received_verdict(sent, r))
                for name, level in BAD_VARIANCES.items():
                    damaged = changed(clean, where, variance=level)
                    yield Case(f"variance {name}, {kind}", lambda r=damaged: received_verdict(sent, r))


def bad_values_learned(seeds: int = 1) -> Iterator[Case]:
    return bad_values(seeds, learned)


def clipping_and_fades(seeds: int = 3) -> Iterator[Case]:
    """A saturated receiver; fades that the receiver is told of, and that it is not; noise worse than believed."""
    sent = digital()
    clean = noisy(torch.cat(sent.bursts))
    for level in (0.05, 0.2, 0.5, 0.8, 1.0, 1.3):
        both = torch.complex(clean.symbols.real.clamp(-level, level), clean.symbols.imag.clamp(-level, level))
        damaged = Reception(both, clean.noise_variance)
        yield Case(f"clipped at {level}", lambda r=damaged: received_verdict(sent, r))
    for seed in range(seeds):
        for depth_db in (3, 10, 20, 40, 80):
            for share in (0.05, 0.3, 0.9):
                where = places(len(clean), share, True, seed)
                gain = 10 ** (-depth_db / 20)
                told = changed(clean, where)
                told.symbols[where] = (
                    torch.cat(sent.bursts)[where] + (clean.symbols - torch.cat(sent.bursts))[where] / gain
                )
                told.noise_variance[where] = clean.noise_variance[where] / gain**2
                name = f"fade of {depth_db} dB over {share:.0%}, seed {seed}"
                yield Case(f"{name}, told", lambda r=told: received_verdict(sent, r))
                untold = changed(clean, where)
                untold.symbols[where] = (
                    gain * torch.cat(sent.bursts)[where] + (clean.symbols - torch.cat(sent.bursts))[where]
                )
                yield Case(f"{name}, not told", lambda r=untold: received_verdict(sent, r))
        for snr_db in (-20.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0):
            worse = noisy(torch.cat(sent.bursts), snr_db, seed + 1)
            yield Case(f"{snr_db} dB, seed {seed}", lambda r=worse: received_verdict(sent, r))
            lied = Reception(worse.symbols, torch.full_like(worse.noise_variance, 10 ** (-SNR_DB / 10)))
            yield Case(
                f"{snr_db} dB and the receiver believes 12, seed {seed}", lambda r=lied: received_verdict(sent, r)
            )


def lost_bursts(count: int = 250) -> Iterator[Case]:
    """Whole bursts dropped, repeated and put in another order."""
    sent, rng = digital(), random.Random(1)
    for number in range(count):
        keep = rng.choice((0.1, 0.3, 0.5, 0.8, 1.0))
        order = [index for index in range(SEGMENTS) if rng.random() < keep]
        order += rng.choices(range(SEGMENTS), k=rng.randrange(3)) if number % 3 == 0 else []
        if number % 3 == 1:
            rng.shuffle(order)
        yield Case(f"bursts {order}, {number}", lambda order=order, n=number: order_verdict(sent, order, n))


def order_verdict(sent: Sent, order: list[int], seed: int) -> Verdict:
    if not order:
        return NOTHING_ARRIVED
    verdict = received_verdict(sent, noisy(torch.cat([sent.bursts[index] for index in order]), seed=seed))
    if sorted(order) != list(range(SEGMENTS)) or order != sorted(order):
        return verdict if verdict.outcome is not Outcome.HARMLESS else Verdict(Outcome.REPORTED)
    return verdict


def cut_streams(every: int = 12) -> Iterator[Case]:
    """The stream begins late or ends early."""
    sent = digital()
    whole = noisy(torch.cat(sent.bursts))
    for at in range(0, len(whole), every):
        yield Case(f"ends after {at} symbols", lambda at=at: received_verdict(sent, whole[:at]))
        yield Case(f"begins at symbol {at}", lambda at=at: received_verdict(sent, whole[at:]))


# Control that lies


PLAIN = MessageControl(
    height=32, width=48, fps_numerator=25, fps_denominator=1, total_frames=30, start=0, length=10, last=0, cut=0,
    caption_bits=0, caption_mcs=0, side=0, side_mcs=0, keyframe_codec=0, keyframe_length=0, keyframe_mode=0,
    closing_codec=0, closing_length=0, closing_mode=0,
)  # fmt: skip
LARGE = {"height": 4000, "width": 4000}
LIES: dict[str, dict[str, int]] = {
    "93 hours": {"total_frames": 2**23 - 1},
    "the last of 93 hours": {"start": 2**23 - 1, "length": 1023, "last": 1},
    "16 megapixels": LARGE,
    "16 megapixels, 93 hours": {**LARGE, "total_frames": 2**23 - 1},
    "one pixel high": {"height": 1, "width": 16383},
    "one pixel": {"height": 1, "width": 1},
    "1000 frames per second": {"fps_numerator": 262_000, "fps_denominator": 262},
    "one frame in 1023 seconds": {"fps_numerator": 1, "fps_denominator": 1023},
    "a caption that is not there": {"caption_bits": 8191, "caption_mcs": 15},
    "a caption of the slowest code": {"caption_bits": 8191},
    "a picture that is not there": {"keyframe_length": 2**17 - 1, "keyframe_mode": 15},
    "a large picture that is not there": {**LARGE, "keyframe_length": 2**17 - 1},
    "two pictures that are not there": {**LARGE, "keyframe_length": 2**17 - 1, "closing_length": 2**17 - 1, "last": 1},
    "a learned picture that is not there": {**LARGE, "keyframe_codec": 1, "keyframe_length": 2**17 - 16},
    "a large learned header that is not there": {**LARGE, "keyframe_codec": 1, "keyframe_length": 2**17 - 1},
    "a road that nobody knows": {"keyframe_codec": 3, "keyframe_length": 9999, "closing_codec": 2, "closing_length": 1},
    "a cut behind everything": {"cut": 10, "length": 10, "last": 1},
    "the length of one frame": {"length": 1, "last": 1, "closing_length": 4},
}


def lying_control() -> Iterator[Case]:
    """Intact control blocks of a transmitter that means harm: sizes, lengths, parts that never follow."""
    for name, lie in LIES.items():
        for road in (digital, learned):
            yield Case(f"{name}, {road.__name__}", lambda lie=lie, road=road: lie_verdict(road(), lie))


def lie_verdict(sent: Sent, lie: dict[str, int]) -> Verdict:
    """Two hundred frames of what the receiver makes of it; what follows costs the same again."""
    from dataclasses import replace

    from lgvsc.models.catalog import load

    control = replace(PLAIN, **lie)
    burst = torch.cat([PREAMBLE, control.encode(10.0)])
    segments = list(sent.codec.decode([noisy(burst)]))
    if not segments:
        return NOTHING_ARRIVED
    parts = (control.caption_bits, control.keyframe_length, control.closing_length)
    told = [segments[0].status[part] for part in ("caption", "keyframe", "closing_keyframe")]
    if any((part > 0) != (status == "lost") for part, status in zip(parts, told, strict=True)):
        return Verdict(Outcome.WRONG, f"parts that never came are called {told}")
    frames = 0
    for piece in islice(SemanticDecoder(load("motion-interpolation")).videos(segments), 6):
        frames += len(piece.video)
        if set(piece.provenance) - {"missing", "concealed"}:
            return Verdict(Outcome.WRONG, f"frames of nothing are called {set(piece.provenance)}")
    return Verdict(Outcome.REPORTED) if frames else NOTHING_ARRIVED


CLASSES: dict[str, tuple[Callable[..., Iterator[Case]], dict[str, int]]] = {
    "symbols: NaN, infinite, zero, huge": (bad_values, {"seeds": 2}),
    "symbols: the same, learned picture code": (bad_values_learned, {"seeds": 1}),
    "symbols: clipped, deep fades, wrong belief": (clipping_and_fades, {"seeds": 3}),
    "bursts: dropped, repeated, reordered": (lost_bursts, {"count": 250}),
    "stream: begins late, ends early": (cut_streams, {"every": 12}),
    "control: intact and lying": (lying_control, {}),
}
