"""Whether keyframes lie where something happens: ``python benchmarks/events.py MEDIA [MEDIA ...]``.

SKEM as preset ``compact`` has it without a budget, on clips whose events are annotated (``events.toml``), against
keyframes at equal distances in the same number. A keyframe hits an event where it lies within so many frames of it,
each event once. The interval is the middle 95 % of 2000 resamplings of the clips. With ``--still``, keyframes on clips
in which nothing happens, too: as they are, handheld and flickering. The clips of parts ``fresh`` and ``others`` lie in
folders of their own, see ``events.toml``.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from lgvsc.build import TurnDivergences
from lgvsc.config import load_config
from lgvsc.core.interfaces import FOCUSES
from lgvsc.core.video import Frame, VideoFormat, VideoReader
from lgvsc.models.catalog import load
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner
from lgvsc.semantics.keyframes import KeyframeConfig, choose_keyframes
from lgvsc.semantics.psss import Psss

PARTS = ("tune", "bar", "later", "shots", "last", "fresh", "others")
SHORT_SIDE, MOST_FPS, MOST_S = 256, 30, 8  # as the training media are, so that others are alike
TOLERANCES = (15, 8)
STILL = (
    "apple_on_table",
    "ragdoll_cat",
    "brown_hills_by_sea",
    "golden_clockwork",
    "woman_neon_portrait",
    "reeds_in_wind",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("media", type=Path, nargs="+", help="folders of the clips")
    parser.add_argument("--part", choices=PARTS, nargs="*", default=PARTS[:5], help="none: no annotated clips")
    parser.add_argument("--focus", choices=FOCUSES, nargs="*", default=["general"])
    parser.add_argument("--threshold", type=float, default=KeyframeConfig().threshold)
    parser.add_argument(
        "--turn", type=float, help="keyframes.turn; that of the preset by default, 0 compares all samples"
    )
    parser.add_argument("--measured", action="store_true", help="the captioner without anything that recognises")
    parser.add_argument("--still", action="store_true", help="clips in which nothing happens, too")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    captioner = CompactCaptioner() if chosen.measured else load("compact-captioner")
    judge = load("compact-judge")
    parts = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    known = {name: (part, events) for part in chosen.part for name, events in parts[part].items()}
    setting = replace(load_config().keyframes, threshold=chosen.threshold)
    if chosen.turn is not None:
        setting = replace(setting, turn=chosen.turn)
    for focus in chosen.focus if known else ():
        scorer = Psss(captioner, judge, focus)
        rows, rates = [], []
        for name, (_, events) in known.items():
            frames, video = read(chosen.media, name)
            keys = keyframes(scorer, frames, video, setting)
            even = [round(len(frames) * (k + 1) / (len(keys) + 1)) for k in range(len(keys))]
            rows.append([(f_score(keys, events, t), f_score(even, events, t)) for t in TOLERANCES])
            rates.append(10 * len(keys) / (len(frames) / float(video.fps)))
            print(
                f"{name:<30}{rates[-1]:5.1f} in 10 s   F {rows[-1][0][0]:.2f} against {rows[-1][0][1]:.2f}   {keys}",
                flush=True,
            )
        of_part = np.array([part for part, _ in known.values()])
        for label in (*chosen.part, "all") if len(chosen.part) > 1 else chosen.part:
            counted = (of_part == label) | (label == "all")
            show(f"{focus}, {label}", np.array(rows)[counted], np.array(rates)[counted])
    if chosen.still:
        still(Psss(captioner, judge), chosen.media, setting)


def show(label: str, rows: np.ndarray, rates: np.ndarray) -> None:
    """Means over clips: F of keyframes and of equal distances, ``(clips, tolerances, 2)``, and keyframes in 10 s."""
    print(f"{label}, {len(rows)} clips: {rates.mean():.1f} keyframes in 10 s on average, {rates.max():.1f} at most")
    for tolerance, table in zip(TOLERANCES, rows.swapaxes(0, 1), strict=True):
        ours, even = table.T
        low, high = interval(ours - even)
        print(
            f"  within {tolerance} frames: F {ours.mean():.3f}, equal distances {even.mean():.3f}, "
            f"difference {(ours - even).mean():+.3f} ({low:+.3f} to {high:+.3f})"
        )


def read(folders: Sequence[Path], name: str) -> tuple[list[Frame], VideoFormat]:
    """All frames of a clip, made as small and short as those of the training media where it is not.

    ``name`` is that of an mp4 file without its ending, or a file and where the clip begins in it: ``file.avi@20``.
    """
    file, _, start_s = name.partition("@") if "@" in name else (f"{name}.mp4", "", "0")
    path = next((folder / file for folder in folders if (folder / file).exists()), None)
    if path is None:
        raise SystemExit(f"no clip {file} in {', '.join(map(str, folders))}")
    with VideoReader(path) as reader:
        video = reader.format
        every = 2 if video.fps > MOST_FPS else 1
        first = round(int(start_s) * video.fps)
        pixels = (shrunk(frame.pixels) for frame in islice(reader, first, first + round(MOST_S * video.fps), every))
        frames = [Frame(index, picture) for index, picture in enumerate(pixels)]
    height, width = frames[0].pixels.shape[:2]
    return frames, replace(video, fps=video.fps / every, frames=len(frames), height=height, width=width)


def shrunk(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    size = round(width * scale / 2) * 2, round(height * scale / 2) * 2
    return pixels if scale >= 1 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def keyframes(scorer: Psss, frames: Sequence[Frame], video: VideoFormat, setting: KeyframeConfig) -> list[int]:
    """Frames at which SKEM opens a segment, but the first."""
    config = replace(setting, focus=scorer.focus)
    score = TurnDivergences(scorer, scorer.captioner)
    return [c.frame.index for c in choose_keyframes(frames, video, config, score) if c.keyframe][1:]


def f_score(keys: Sequence[int], events: Sequence[int], tolerance: int) -> float:
    """Harmonic mean of precision and recall; each event is hit by the nearest free keyframe within reach."""
    free, hits = list(keys), 0
    for event in events:
        near = [key for key in free if abs(key - event) <= tolerance]
        if near:
            free.remove(min(near, key=lambda key: abs(key - event)))
            hits += 1
    return 2 * hits / (len(keys) + len(events)) if hits else 0.0


def interval(differences: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of means over resampled clips."""
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (2000, len(differences))).mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def still(scorer: Psss, media: Sequence[Path], setting: KeyframeConfig) -> None:
    """Keyframes where nothing happens, in ten seconds."""
    print(f"\n{'nothing happens':<30}{'as it is':>10}{'handheld':>10}{'flickers':>10}   keyframes in 10 s")
    for name in STILL:
        frames, video = read(media, name)
        rng = np.random.default_rng(0)
        walk = np.cumsum(rng.normal(0, 0.8, (len(frames), 2)), axis=0)
        walk -= np.stack([cv2.blur(column[:, None], (1, 25)).ravel() for column in walk.T], axis=1)
        variants = [
            frames,
            [Frame(f.index, shifted(f.pixels, *by)) for f, by in zip(frames, walk, strict=True)],
            [Frame(f.index, lit(f.pixels, rng.uniform(0.85, 1.15))) for f in frames],
        ]
        rates = [10 * len(keyframes(scorer, v, video, setting)) / (len(v) / float(video.fps)) for v in variants]
        print(f"{name:<30}" + "".join(f"{rate:>10.1f}" for rate in rates), flush=True)


def shifted(pixels: np.ndarray, x: float, y: float) -> np.ndarray:
    matrix = np.array([[1, 0, 3 * x], [0, 1, 3 * y]])
    return cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def lit(pixels: np.ndarray, gain: float) -> np.ndarray:
    return np.clip(np.rint(pixels * gain), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
