"""Whether videos without a budget stay below a CBR of 1e-3: the highest of a folder's clips, and how many exceed it.

    python benchmarks/ceiling.py [FOLDER] [--limit 25] [--snr-db 10] [--scheme skem-dsa]

Clips of three seconds or more are taken evenly from the sorted folder. Without a folder, clips are made that ask for as
many keyframes as any: a strobe, a hard cut every half second, noise, a camera held in a shaking hand, and a fade at
every second. Only the transmitter runs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

import lgvsc
from lgvsc.coding.budget import CEILING_S
from lgvsc.core.video import Pixels, Video, VideoReader, write_video

CEILING_CBR = 1e-3
FPS = 24
HEIGHT, WIDTH = 144, 192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--limit", type=int, default=25)
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--scheme", default="skem-dsa")
    arguments = parser.parse_args()
    highest = {}
    print(f"{'clip':<32}{'s':>7}{'CBR':>11}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = long_enough(arguments.folder) if arguments.folder else list(made_clips(folder))
        for clip in clips[:: max(1, len(clips) // arguments.limit)][: arguments.limit]:
            ledger = lgvsc.send(clip, folder / "tx", scheme=arguments.scheme, snr_db=arguments.snr_db, force=True)
            highest[clip.stem] = ledger.cbr
            print(f"{clip.stem:<32}{ledger.video.duration_s or 0:>7.1f}{ledger.cbr:>11.2e}", flush=True)
    if not highest:
        raise SystemExit(f"no clip of {CEILING_S:g} s or more")
    worst = max(highest, key=highest.__getitem__)
    above = sum(cbr > CEILING_CBR for cbr in highest.values())
    print(f"highest CBR {highest[worst]:.2e} ({worst}); {above} of {len(highest)} above {CEILING_CBR:g}")


def long_enough(folder: Path) -> list[Path]:
    """The videos of a folder that the ceiling holds for."""
    clips = []
    for path in sorted(folder.glob("*.mp4")):
        with VideoReader(path) as reader:
            if (reader.format.duration_s or 0.0) >= CEILING_S:
                clips.append(path)
    return clips


def made_clips(folder: Path) -> Iterator[Path]:
    """Clips of four seconds, the same ones every time."""
    random = np.random.default_rng(0)
    scenes = [scene(random) for _ in range(8)]
    frames = range(4 * FPS)
    made: dict[str, list[Pixels]] = {
        "strobe": [scenes[0] if i // 3 % 2 else np.full_like(scenes[0], 255) for i in frames],
        "cut_every_half_second": [scenes[i // 12] for i in frames],
        "noise": [random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in frames],
        "shaking_hand": [
            np.roll(scenes[1], tuple(np.rint(random.normal(0, 12, 2)).astype(int)), (0, 1)) for _ in frames
        ],
        "fade_every_second": [np.uint8(scenes[i // 24] * np.sin(np.pi * (i % 24 + 0.5) / 24)) for i in frames],
    }
    for name, pictures in made.items():
        path = folder / f"{name}.mp4"
        write_video(path, Video(np.stack(pictures), Fraction(FPS)))
        yield path


def scene(random: np.random.Generator) -> Pixels:
    """A picture with large areas, edges and a little texture."""
    coarse = cv2.resize(random.integers(0, 256, (5, 7, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    blocks = cv2.resize(random.integers(0, 96, (9, 12, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.add(coarse // 2, blocks), np.uint8)


if __name__ == "__main__":
    main()
