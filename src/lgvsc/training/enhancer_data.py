"""What the enhancer is trained on: clips through a real video codec, with keyframes through a real channel.

A *take* is a few seconds of a clip in one format at one quantiser, kept as the bitstream that would go on the air (two
processors may encode the same pictures to other bytes), some with their end lost, and with the keyframes at both ends
as a channel leaves them. What the receiver knows of each small frame is worked out from that when training begins.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.frames.format_search import USUAL_SLOPE
from lgvsc.coding.frames.formats import EIGHTHS, STEPS, Format, Gop, likely_format, middle_of_step
from lgvsc.coding.frames.standard_codec import (
    ANALYSIS_PRESETS,
    COARSEST,
    CodedGop,
    Quantiser,
    coded_size,
    decode_gop,
    encode_gop,
    to_rgb,
)
from lgvsc.coding.pictures.digital_picture import decode_picture, encode_picture
from lgvsc.coding.pictures.ntscc import shipped_at
from lgvsc.core.files import atomic_write
from lgvsc.core.interfaces import PictureCodec
from lgvsc.core.processes import in_processes, use_one_thread
from lgvsc.core.sharing import Died
from lgvsc.core.video import Pixels, VideoReader
from lgvsc.errors import ConfigError, InputError, LgvscError
from lgvsc.training.pictures import held_out
from lgvsc.world.backends.compact.flow import Flow
from lgvsc.world.enhancing import as_coarse, move_onto, texture_of

logger = logging.getLogger(__name__)

HELD_OUT_PERCENT = 18  # of the clips: 25 of the 150 at hand
LONGEST = 96  # frames of a take
MOST_PICTURES = 10  # small frames of a take that training looks at, from a random one on
SIDE = 256  # of the square that training looks at, in pixels
BIT_RATES = (1.5, 24.0)  # kbit/s of the small frames, drawn log-uniformly
LOST = 0.12  # share of the takes whose end was lost
FAR = 0.3  # share of the takes in a format that has nothing to do with the bit rate
KEYFRAME_CBR = (0.004, 0.03)  # symbols of a keyframe over its samples


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """A coded piece of a clip.

    Attributes:
        clip: The file's name.
        start, length: Of the piece, in frames of the clip.
        fps: Frames of the clip in a second.
        format: Size and step.
        crf: Quantiser.
        coded: As received.
        keyframes: At the piece's first and last frame, as received, uint8 RGB.
    """

    clip: str
    start: int
    length: int
    fps: float
    format: Format
    crf: float
    coded: CodedGop
    keyframes: tuple[Pixels, Pixels]

    def positions(self) -> list[int]:
        """Frames of the piece that the coded pictures show."""
        return list(range(middle_of_step(self.format.step, self.length), self.length, self.format.step))


def is_held_out(clip: Path) -> bool:
    """Whether a clip is never trained on, by its name."""
    return held_out(clip, HELD_OUT_PERCENT)


# Making takes


def make_takes(
    clips: Sequence[Path], folder: Path, takes_per_clip: int, seed: int, workers: int = 1, look: float = 0.0
) -> list[Path]:
    """Takes of every clip as files of ``folder``, keyframes sent and shown at a look; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        (clip, folder / f"{clip.stem}-look{look:g}-{seed}-{number}.npz", (seed, 5, number), look)
        for number in range(takes_per_clip)
        for clip in clips
    ]
    missing = [job for job in jobs if not job[1].exists()]
    if workers == 1:
        for done, job in enumerate(missing, 1):
            _make(*job)
            logger.info("%d of %d takes", done, len(missing))
    elif missing:
        for done, (place, made) in enumerate(in_processes(_make_job, missing, workers), 1):
            if isinstance(made, Died):
                raise LgvscError(f"the process that made {missing[place][1].name} died; run the same command again")
            logger.info("%d of %d takes", done, len(missing))
    return [job[1] for job in jobs]


def _make_job(job: tuple[Path, Path, tuple[int, ...], float]) -> None:
    _make(*job)


def _make(clip: Path, file: Path, seed: tuple[int, ...], look: float) -> None:
    use_one_thread()
    rng = np.random.default_rng((*seed, *clip.name.encode()))
    with VideoReader(clip) as reader:
        frames = [frame.pixels for frame in reader]
        fps = float(reader.format.fps)
    length = min(len(frames), int(rng.integers(LONGEST // 2, LONGEST + 1)))
    start = int(rng.integers(0, len(frames) - length + 1))
    save_take(take_of(clip.name, frames[start : start + length], start, fps, shipped_at(look), rng), file)


def take_of(
    clip: str, frames: Sequence[Pixels], start: int, fps: float, pictures: PictureCodec, rng: np.random.Generator
) -> Take:
    """One take of a run of frames, at a random bit rate, in a format near the likely one or in any other."""
    gop = Gop(start, *frames[0].shape[:2])
    for pixels in frames:
        gop.add(pixels)
    low, high = BIT_RATES
    kbit_per_s = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    max_bytes = max(24, int(125 * kbit_per_s * len(frames) / fps))
    format = _near(likely_format(gop, max_bytes), len(frames), rng)
    small, crf = gop.pictures(format), COARSEST["av1"] - 14
    for _ in range(2):
        coded = encode_gop("av1", small, Quantiser(crf), ANALYSIS_PRESETS["av1"])
        crf += log2(max(1, coded.picture_bytes) / max_bytes) / USUAL_SLOPE
        crf = round(4 * min(max(crf, 16.0), COARSEST["av1"])) / 4
    coded = encode_gop("av1", small, Quantiser(crf))
    if rng.random() < LOST:
        coded = CodedGop(
            coded.payload[: int(rng.uniform(0.3, 1) * len(coded.payload))],
            coded.headers_sent,
            coded.header_qp,
            coded.header_check,
        )
    ends = (_behind_a_channel(frames[0], pictures, rng), _behind_a_channel(frames[-1], pictures, rng))
    return Take(clip, start, len(frames), fps, format, crf, coded, ends)


def _near(format: Format, length: int, rng: np.random.Generator) -> Format:
    """The format or one beside it, or any, with at least three pictures."""
    if rng.random() < FAR:
        format = Format(int(rng.choice(EIGHTHS[1:])), int(rng.choice(STEPS[:-2])))
    size = EIGHTHS.index(format.eighths) + int(rng.integers(-1, 2))
    step = STEPS.index(format.step) + int(rng.integers(-1, 2))
    while step > 0 and STEPS[min(step, len(STEPS) - 1)] * 3 > length:
        step -= 1
    return Format(EIGHTHS[min(max(size, 0), len(EIGHTHS) - 1)], STEPS[min(max(step, 0), len(STEPS) - 1)])


def _behind_a_channel(picture: Pixels, pictures: PictureCodec, rng: np.random.Generator) -> Pixels:
    """A keyframe as the far end has it: by the learned code over a noisy channel, or by the digital one."""
    cbr = float(np.exp(rng.uniform(np.log(KEYFRAME_CBR[0]), np.log(KEYFRAME_CBR[1]))))
    snr_db = float(rng.uniform(-1, 13))
    if rng.random() < 0.35:
        bits_per_symbol = 0.7 * log2(1 + 10 ** (snr_db / 10))
        data = encode_picture(picture, max(64, int(cbr * picture.size * bits_per_symbol / 8)))
        decoded = decode_picture(data, *picture.shape[:2])
    else:
        coded = pictures.encode(picture, max_symbols=int(cbr * picture.size), snr_db=snr_db)
        noise = child_generator(int(rng.integers(2**31)), "keyframe")
        received = AwgnChannel(snr_db + float(rng.normal(0, 1)), noise)(coded.symbols)
        decoded = pictures.decode(received, coded.length, coded.mode, *picture.shape[:2])
    return picture if decoded is None else decoded


def save_take(take: Take, file: Path) -> None:
    """One file for a take."""
    keys = [np.frombuffer(cv2.imencode(".png", key[..., ::-1])[1].tobytes(), np.uint8) for key in take.keyframes]
    facts = [
        take.start,
        take.length,
        take.fps,
        take.format.eighths,
        take.format.step,
        take.crf,
        take.coded.headers_sent,
        take.coded.header_qp,
        take.coded.header_check,
    ]
    with atomic_write(file) as out:
        np.savez(
            out,
            allow_pickle=False,
            clip=np.array(take.clip),
            facts=np.array(facts, np.float64),
            payload=np.frombuffer(take.coded.payload, np.uint8),
            first=keys[0],
            last=keys[1],
        )


def load_take(file: Path) -> Take:
    """From :func:`save_take`."""
    with np.load(file, allow_pickle=False) as data:
        start, length, fps, eighths, step, crf, sent, qp, check = data["facts"].tolist()
        keys = [_picture(data[name]) for name in ("first", "last")]
        coded = CodedGop(data["payload"].tobytes(), bool(sent), int(qp), int(check))
        form = Format(int(eighths), int(step))
        return Take(str(data["clip"]), int(start), int(length), fps, form, crf, coded, (keys[0], keys[1]))


def _picture(data: NDArray[np.uint8]) -> Pixels:
    read = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if read is None:
        raise InputError("a take's keyframe cannot be read; make the takes anew")
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


# What the receiver knows of a take


@dataclass(frozen=True, slots=True, eq=False)
class Scenes:
    """Small frames of a take in a row, and all that goes with them; squares of at most ``SIDE``.

    Attributes:
        truth, plain, following, texture: uint8 ``(n, h, w, 3)``, as :class:`lgvsc.nets.enhancer.Known` has them.
        texture_trust, previous_trust: uint8 ``(n, h, w)``, 255 for 1.
        flow: float16 ``(n, h, w, 2)``: where each pixel lies in the frame before.
        situation: quantiser, size and time as the network is told them.
    """

    truth: NDArray[np.uint8]
    plain: NDArray[np.uint8]
    following: NDArray[np.uint8]
    texture: NDArray[np.uint8]
    texture_trust: NDArray[np.uint8]
    previous_trust: NDArray[np.uint8]
    flow: NDArray[np.float16]
    situation: tuple[float, float, float]


def scenes_of(take: Take, frames: Sequence[Pixels], rng: np.random.Generator) -> Scenes | None:
    """What is known of a take's small frames; ``None`` where nothing can be decoded.

    Args:
        take: The take.
        frames: Those of the source that it is of.
        rng: Chooses which keyframes are there, and which square is looked at.
    """
    height, width = frames[0].shape[:2]
    coded = coded_size(height, width, take.format.eighths)
    shown = {
        p.position: to_rgb(p.frame, height, width)
        for p in decode_gop("av1", take.coded, coded, constant_qp=False)
        if p.position < len(take.positions())
    }
    order = sorted(shown)
    if not order:
        return None
    begin = int(rng.integers(0, max(1, len(order) - MOST_PICTURES + 1)))
    order = order[begin : begin + MOST_PICTURES]
    kept = [take.keyframes, take.keyframes[:1], take.keyframes[1:]][int(rng.integers(3))]
    keys = [(key, as_coarse(key, coded)) for key in kept]
    guesses: list[Flow | None] = [None for _ in keys]
    rows: list[tuple[NDArray[np.generic], ...]] = []
    for number, position in enumerate(order):
        small = shown[position]
        texture, seen, guesses = texture_of(small, keys, guesses)
        back = move_onto(small, shown[order[max(0, number - 1)]])
        after = shown[order[min(number + 1, len(order) - 1)]]
        rows.append(
            (
                frames[take.positions()[position]],
                small,
                move_onto(small, after).apply(after),
                texture,
                np.rint(255 * seen).astype(np.uint8),
                np.rint(255 * back.trust_at((height, width)) * (number > 0)).astype(np.uint8),
                back.flow_at((height, width)).astype(np.float16),
            )
        )
    top, left = (int(rng.integers(0, max(1, side - SIDE + 1))) for side in (height, width))
    columns = [np.stack(column)[:, top : top + SIDE, left : left + SIDE] for column in zip(*rows, strict=True)]
    told = take.crf / 70, take.format.eighths / 8, min(1.0, take.format.step / take.fps)
    truth, plain, following, moved, trust, before, flow = columns
    return Scenes(truth, plain, following, moved, trust, before, flow, told)


class ScenePool:
    """Scenes in memory, from which runs of consecutive small frames are drawn."""

    def __init__(self, scenes: Sequence[Scenes], crop: int) -> None:
        self._scenes = [s for s in scenes if min(s.truth.shape[1:3]) >= crop]
        self._crop = crop
        if not self._scenes:
            raise ConfigError(f"there is nothing to train on: clips need {crop} pixels a side or more")

    def __len__(self) -> int:
        return len(self._scenes)

    def draw(self, count: int, run: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """``count`` runs of ``run`` small frames.

        Returns:
            truth, plain, following, texture ``(run, count, 3, crop, crop)``; texture's and the previous frame's
            trust ``(run, count, 1, crop, crop)``; flow ``(run, count, 2, crop, crop)``; situation ``(count, 3)``.
        """
        drawn = [self._one(run, rng) for _ in range(count)]
        columns: list[NDArray[Any]] = [np.stack(c, axis=1) for c in zip(*(d[:-1] for d in drawn), strict=True)]
        tensors = [torch.from_numpy(np.ascontiguousarray(c)).movedim(-1, 2).float() for c in columns]
        scaled = [t / 255 for t in tensors[:6]]
        return (*scaled, tensors[6], torch.tensor([d[-1] for d in drawn]))

    def _one(self, run: int, rng: np.random.Generator) -> tuple[Any, ...]:
        s = self._scenes[int(rng.integers(len(self._scenes)))]
        count, height, width = s.truth.shape[:3]
        begin = int(rng.integers(0, max(1, count - run + 1)))
        picks = np.minimum(np.arange(begin, begin + run), count - 1)
        top, left = int(rng.integers(height - self._crop + 1)), int(rng.integers(width - self._crop + 1))
        area = (picks, slice(top, top + self._crop), slice(left, left + self._crop))
        trust, before, flow = s.texture_trust[area][..., None], s.previous_trust[area][..., None], s.flow[area]
        if begin + run > count:  # the last frame again
            flow = np.where((np.arange(run) + begin < count)[:, None, None, None], flow, 0).astype(np.float16)
        arrays: list[NDArray[Any]] = [
            s.truth[area],
            s.plain[area],
            s.following[area],
            s.texture[area],
            trust,
            before,
            flow,
        ]
        if rng.random() < 0.5:
            arrays = [a[:, :, ::-1] for a in arrays]
            arrays[6] = arrays[6] * np.array([-1, 1], np.float16)
        if rng.random() < 0.5:
            arrays = [a[:, ::-1] for a in arrays]
            arrays[6] = arrays[6] * np.array([1, -1], np.float16)
        if rng.random() < 0.5:
            arrays = [a.swapaxes(1, 2) for a in arrays]
            arrays[6] = arrays[6][..., ::-1]
        return (*arrays, s.situation)
