"""What DVST is trained on: short runs of frames, their motion, and their first frames as a receiver rebuilt them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, TypeAlias
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.frames.dvst import motion_of
from lgvsc.core.air import Reception
from lgvsc.core.files import atomic_write
from lgvsc.core.video import Pixels, VideoReader
from lgvsc.errors import InputError
from lgvsc.nets.dvst import FLOW_GRID
from lgvsc.training.pictures import find_sources, square

Kind: TypeAlias = Literal["rgb", "sketch"]

SIDE = 256  # pixels of every window
FRAMES = {"rgb": 10, "sketch": 8}  # of a window
VARIANTS = 2  # keyframe rebuilt at so many SNRs
KEYFRAME_CBR = (0.012, 0.04)
SNR_DB = (0.0, 20.0)
WINDOW_CBR_SEED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Runs of frames of equal size.

    Attributes:
        frames: uint8 ``(n, frames, 256, 256, colours)``.
        flows: Motion from each to the next, float16 ``(n, frames - 1, 2, 32, 32)``.
        expected: First frame as the transmitter reckons that it was received, ``(n, VARIANTS, 256, 256, colours)``.
        received: The same as it was received.
        snr_db: At which, ``(n, VARIANTS)``.
    """

    frames: NDArray[np.uint8]
    flows: NDArray[np.float16]
    expected: NDArray[np.uint8]
    received: NDArray[np.uint8]
    snr_db: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """Parts of windows, as a batch.

    Attributes:
        frames: ``(B, frames, colours, side, side)`` in [0, 1], the keyframe left out.
        flows: ``(B, frames, 2, side / 8, side / 8)``, in pixels.
        expected, received: The keyframe at either end, ``(B, colours, side, side)``.
        snr_db: At which it was received, ``(B,)``.
    """

    frames: Tensor
    flows: Tensor
    expected: Tensor
    received: Tensor
    snr_db: Tensor


def draw(windows: Windows, count: int, frames: int, side: int, generator: np.random.Generator) -> Crops:
    """Random crops of so many frames after a keyframe, mirrored and transposed at random."""
    parts: list[tuple[Tensor, ...]] = []
    snr_db = []
    for _ in range(count):
        which, variant = int(generator.integers(len(windows))), int(generator.integers(windows.snr_db.shape[1]))
        top, left = (FLOW_GRID * int(generator.integers((SIDE - side) // FLOW_GRID + 1)) for _ in range(2))
        rows, columns = slice(top, top + side), slice(left, left + side)
        small = tuple(slice(s.start // FLOW_GRID, s.stop // FLOW_GRID) for s in (rows, columns))
        picture = torch.from_numpy(windows.frames[which, 1 : frames + 1, rows, columns]).movedim(-1, 1)
        flow = torch.from_numpy(windows.flows[which, :frames, :, small[0], small[1]].astype(np.float32))
        keys = [
            torch.from_numpy(kept[which, variant, rows, columns]).movedim(-1, 0)
            for kept in (windows.expected, windows.received)
        ]
        turn = int(generator.integers(4))
        for bit, axis, component in ((1, -1, 0), (2, -2, 1)):
            if turn & bit:
                picture, keys = picture.flip(axis), [key.flip(axis) for key in keys]
                flow = flow.flip(axis)
                flow[:, component] *= -1
        if int(generator.integers(2)):  # transposed
            picture, keys = picture.transpose(-1, -2), [key.transpose(-1, -2) for key in keys]
            flow = flow.transpose(-1, -2).flip(1)
        parts.append((picture, flow, *keys))
        snr_db.append(float(windows.snr_db[which, variant]))
    pictures, flows, expected, received = (torch.stack(column) for column in zip(*parts, strict=True))
    return Crops(pictures.float() / 255, flows, expected.float() / 255, received.float() / 255, torch.tensor(snr_db))


def windows_of(
    clips: Sequence[Path], kind: Kind, per_clip: int, seed: int, draw_sketch: Callable[[Pixels], Pixels] | None = None
) -> Windows:
    """Windows spread over clips; steps between their frames differ from clip to clip.

    Pictures are one or two frames apart, in every fourth window a quarter of a second, as in GVSC's clips; sketches are
    an eighth to a quarter of a second apart.
    """
    rebuild = keyframe_rebuilder(kind)
    found: list[list[NDArray[np.uint8]]] = [[] for _ in range(4)]
    flows, levels = list[NDArray[np.float16]](), list[NDArray[np.float32]]()
    for path in clips:
        choice = np.random.default_rng((seed, WINDOW_CBR_SEED, *path.name.encode()))
        with VideoReader(path) as video:
            fps = float(video.format.fps)
            clip = [square(frame.pixels, SIDE) for frame in video]
        for part in range(per_clip):
            quarter = max(1, round(fps / 4))
            step = int(choice.choice([1, 1, 2, quarter] if kind == "rgb" else [max(1, quarter // 2), quarter]))
            step = max(1, min(step, (len(clip) - 1) // (FRAMES[kind] - 1)))
            span = step * (FRAMES[kind] - 1) + 1
            if span > len(clip):
                continue
            start = int((len(clip) - span) * (part + choice.random()) / per_clip)
            run = [clip[start + step * i] for i in range(FRAMES[kind])]
            if draw_sketch is not None:
                run = [draw_sketch(picture) for picture in run]
            motion, _ = motion_of(run, (SIDE, SIDE))
            keys = [rebuild(run[0], float(choice.uniform(*SNR_DB)), choice, path.name, v) for v in range(VARIANTS)]
            flows.append(torch.cat(motion).numpy().astype(np.float16))
            levels.append(np.array([snr_db for *_, snr_db in keys], np.float32))
            for kept, pictures in zip(found, (run, [k[0] for k in keys], [k[1] for k in keys]), strict=False):
                kept.append(np.stack(pictures).reshape(len(pictures), SIDE, SIDE, -1))
    if not flows:
        raise InputError(f"no clip has {FRAMES[kind]} frames, so there is nothing to train on")
    frames, expected, received = (np.stack(kept) for kept in found[:3])
    return Windows(frames, np.stack(flows), expected, received, np.stack(levels))


Rebuilder: TypeAlias = Callable[[Pixels, float, np.random.Generator, str, int], tuple[Pixels, Pixels, float]]


def keyframe_rebuilder(kind: Kind) -> Rebuilder:
    """Sends a keyframe as the scheme does, and gives it as expected by the transmitter and as received, and the SNR."""
    from lgvsc.models.catalog import load

    codec = load("compact-ntscc" if kind == "rgb" else "compact-deepjscc-sketch")

    def rebuild(
        picture: Pixels, snr_db: float, choice: np.random.Generator, name: str, variant: int
    ) -> tuple[Pixels, Pixels, float]:
        height, width = picture.shape[:2]
        if kind == "rgb":
            cbr = float(np.exp(choice.uniform(*np.log(KEYFRAME_CBR))))
            coded = codec.encode(picture, max_symbols=int(cbr * 3 * height * width), snr_db=snr_db)
            symbols, told = coded.symbols, [coded.length, coded.mode, height, width]
        else:
            symbols, told = codec.encode(picture, snr_db), [height, width]
        quiet = Reception(symbols, torch.full((len(symbols),), 10 ** (-snr_db / 10)))
        noisy = AwgnChannel(snr_db, child_generator(0, "windows", name, variant, snr_db))(symbols)
        expected, received = (codec.decode(one, *told) for one in (quiet, noisy))
        expected = picture if expected is None else expected
        return expected, expected if received is None else received, snr_db

    return rebuild


def material(
    data: Path, kind: Kind, per_clip: int, seed: int, most_clips: int | None = None, cache: Path | None = None
) -> tuple[Windows, Windows]:
    """Windows of clips under a folder to train on, and of clips that are never trained on.

    Args:
        data: The folder.
        kind: Pictures, or the sketches that the shipped extractor draws.
        per_clip: Windows of each clip to train on; of the others one.
        seed: Says where they lie.
        most_clips: Stop after so many.
        cache: File in which all of it is kept for the next time.
    """
    if cache is not None and cache.exists():
        return read_windows(cache)
    draw_sketch = None
    if kind == "sketch":
        from lgvsc.models.catalog import load

        draw_sketch = load("compact-pidinet").extract
    sources = find_sources(data)
    trained = windows_of(sources.clips[:most_clips], kind, per_clip, seed, draw_sketch)
    held_back = windows_of(sources.held_out_clips[:most_clips], kind, 1, seed, draw_sketch)
    if cache is not None:
        write_windows(cache, trained, held_back)
    return trained, held_back


def write_windows(path: Path, trained: Windows, held_back: Windows) -> None:
    """Keep both sets of windows in one file (.npz)."""
    names = [field.name for field in fields(Windows)]
    with atomic_write(path) as file:
        np.savez(
            file,
            **{f"trained_{name}": getattr(trained, name) for name in names},
            **{f"held_back_{name}": getattr(held_back, name) for name in names},
        )


def read_windows(path: Path) -> tuple[Windows, Windows]:
    """Raises InputError where the file holds something else."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            trained, held_back = (
                Windows(*(stored[f"{part}_{field.name}"] for field in fields(Windows)))
                for part in ("trained", "held_back")
            )
    except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise InputError(f"{path} holds no windows that were kept: {error}") from error
    return trained, held_back
