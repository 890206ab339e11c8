"""How the compact captioner and judge behave on real footage: ``python benchmarks/psss.py MEDIA``.

Three questions. Does what is no change of content leave the divergence low? Does what is one raise it, and under
the right focus? Does sequential SKEM choose a sensible number of keyframes? MEDIA is a folder of video files.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import torch

from lgvsc.core.interfaces import FOCUSES
from lgvsc.core.video import Frame, Pixels, VideoReader
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner
from lgvsc.semantics.backends.compact.judge import CompactJudge
from lgvsc.semantics.prompts import question
from lgvsc.semantics.psss import Psss, Score, semantic_divergence

THRESHOLD = 0.35
SAMPLE_FPS = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("media", type=Path)
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--frames", type=int, default=40, help="pictures for the first two questions")
    parser.add_argument("--clips", type=int, default=12, help="clips for the third")
    parser.add_argument("--sheets", type=Path, default=None, help="write contact sheets here")
    parser.add_argument("--show", type=int, default=0, help="print the texts of so many failures of each kind")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    weights = arguments.weights or Path(str(files("lgvsc.models") / "assets" / "compact-judge.safetensors"))
    judge, captioner = CompactJudge.load(weights), CompactCaptioner()
    scorer = Psss(captioner, judge)
    paths = sorted(arguments.media.glob("*.mp4"))
    pictures = [picture_of(path) for path in paths[:: max(1, len(paths) // arguments.frames)]][: arguments.frames]
    invariance(scorer, pictures, arguments.show)
    sensitivity(captioner, judge, pictures, arguments.show)
    keyframes(scorer, paths[3 :: max(1, len(paths) // arguments.clips)][: arguments.clips], arguments.sheets)


def picture_of(path: Path) -> Pixels:
    """A frame from the first second of a file."""
    with VideoReader(path) as reader:
        return next(frame.pixels for frame in reader if frame.index == 5)


# --- what is no change ---


def invariance(scorer: Psss, pictures: list[Pixels], show: int) -> None:
    print(f"\nno change of content ({len(pictures)} pictures, focus general)")
    print(f"{'disturbance':<22}{'above 0.35':>11}{'mean':>8}{'worst':>8}")
    for name, disturb in DISTURBANCES.items():
        rng = np.random.default_rng(0)
        scores = [scorer.divergence(Frame(0, p), Frame(1, disturb(p, rng))) for p in pictures]
        report(name, scores, wrong=lambda s: s > THRESHOLD, show=show)


def blur(picture: Pixels, _: np.random.Generator) -> Pixels:
    return cv2.GaussianBlur(picture, (0, 0), 1.5)


def noise(picture: Pixels, rng: np.random.Generator) -> Pixels:
    return as_bytes(picture + rng.normal(0.0, 8.0, picture.shape))


def gain(factor: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    return lambda picture, _: as_bytes(picture * factor)


def gamma(power: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    return lambda picture, _: as_bytes(255.0 * (picture / 255.0) ** power)


def jpeg(picture: Pixels, _: np.random.Generator) -> Pixels:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR)


def shake(picture: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-1.5, 1.5), 1.0)
    matrix[:, 2] += rng.uniform(-6, 6, 2)
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def everything(picture: Pixels, rng: np.random.Generator) -> Pixels:
    return jpeg(noise(gain(1.1)(shake(picture, rng), rng), rng), rng)


DISTURBANCES: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "none": lambda picture, _: picture.copy(),
    "blur, sigma 1.5": blur,
    "noise, sigma 8": noise,
    "gain 1.15": gain(1.15),
    "gain 0.85": gain(0.85),
    "gamma 1.15": gamma(1.15),
    "gamma 0.87": gamma(0.87),
    "JPEG quality 50": jpeg,
    "shake": shake,
    "shake, noise, JPEG": everything,
}


# --- what is one ---


def sensitivity(captioner: CompactCaptioner, judge: CompactJudge, pictures: list[Pixels], show: int) -> None:
    print(f"\nchange of content ({len(pictures)} pictures), share above 0.35 and mean divergence")
    print(f"{'change':<22}" + "".join(f"{focus:>19}" for focus in FOCUSES))
    for name, change in CHANGES.items():
        rng = np.random.default_rng(1)
        pairs = [change(picture, pictures[(i + 7) % len(pictures)], rng) for i, picture in enumerate(pictures)]
        texts = [captioner.describe_pair(Frame(0, a), Frame(1, b)) for a, b in pairs]
        row = ""
        for focus in FOCUSES:
            values = [semantic_divergence(a.p_yes, a.p_no) for a in judge.answer(question(focus), texts)]
            row += f"{np.mean([v > THRESHOLD for v in values]):>10.2f}{statistics.mean(values):>+9.2f}"
            if focus == "general":
                missed = [(v, text) for v, text in zip(values, texts, strict=True) if v <= THRESHOLD]
        print(f"{name:<22}{row}", flush=True)
        tell(name, missed[:show])


def pasted(picture: Pixels, other: Pixels, rng: np.random.Generator, share: float, place: int | None = None) -> Pixels:
    """An elliptic piece of another picture, ``share`` of the height, at one of four places."""
    height, width = picture.shape[:2]
    size = int(share * height)
    top, left = (int(v) for v in (rng.uniform(0.2, 0.6) * other.shape[0], rng.uniform(0.2, 0.6) * other.shape[1]))
    piece = other[top : top + size, left : left + size]
    size_y, size_x = piece.shape[:2]
    place = int(rng.integers(4)) if place is None else place
    y = int((0.15 + 0.5 * (place // 2)) * height)
    x = int((0.12 + 0.5 * (place % 2)) * width)
    mask = np.zeros((size_y, size_x), np.uint8)
    cv2.ellipse(mask, (size_x // 2, size_y // 2), (size_x // 2, size_y // 2), 0, 0, 360, 255, -1)
    result = picture.copy()
    spot = result[y : y + size_y, x : x + size_x]
    spot[mask[: spot.shape[0], : spot.shape[1]] > 0] = piece[: spot.shape[0], : spot.shape[1]][
        mask[: spot.shape[0], : spot.shape[1]] > 0
    ]
    return result


def comes(share: float) -> Callable[[Pixels, Pixels, np.random.Generator], tuple[Pixels, Pixels]]:
    return lambda picture, other, rng: (picture, pasted(picture, other, rng, share))


def goes(share: float) -> Callable[[Pixels, Pixels, np.random.Generator], tuple[Pixels, Pixels]]:
    return lambda picture, other, rng: (pasted(picture, other, rng, share), picture)


def moves(picture: Pixels, other: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    seed = int(rng.integers(1 << 30))
    first, second = rng.permutation(4)[:2]
    same = [np.random.default_rng(seed) for _ in range(2)]
    return pasted(picture, other, same[0], 0.25, int(first)), pasted(picture, other, same[1], 0.25, int(second))


def lights_out(picture: Pixels, _: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    return picture, gain(0.35)(picture, rng)


CHANGES: dict[str, Callable[[Pixels, Pixels, np.random.Generator], tuple[Pixels, Pixels]]] = {
    "object 0.15 comes": comes(0.15),
    "object 0.20 comes": comes(0.20),
    "object 0.30 comes": comes(0.30),
    "object 0.20 goes": goes(0.20),
    "object 0.30 goes": goes(0.30),
    "object 0.25 moves": moves,
    "light to a third": lights_out,
    "hard cut": lambda picture, other, _: (picture, other),
}


# --- keyframes ---


def keyframes(scorer: Psss, paths: list[Path], sheets: Path | None) -> None:
    print(f"\nkeyframes at threshold {THRESHOLD}, {SAMPLE_FPS:g} pairs per second (the last frame counted)")
    counts, spent, pairs = [], 0.0, 0
    for path in paths:
        with VideoReader(path) as reader:
            step = max(1, round(float(reader.format.fps) / SAMPLE_FPS))
            frames = [frame for frame in reader if frame.index % step == 0]
        started = time.process_time()
        chosen = list(skem(scorer, frames))
        spent += time.process_time() - started
        pairs += len(frames) - 1
        counts.append(len(chosen) + 1)
        print(f"{path.stem:<34}{len(frames) / SAMPLE_FPS:>5.1f} s{counts[-1]:>4}  {[frames[i].index for i in chosen]}")
        if sheets is not None:
            cv2.imwrite(str(sheets / f"{path.stem}.png"), sheet(frames, set(chosen))[..., ::-1])
    mean, each_ms = statistics.mean(counts), 1e3 * spent / pairs
    print(f"mean {mean:.2f}, from {min(counts)} to {max(counts)}; {each_ms:.0f} ms of processor time per pair")


def skem(scorer: Psss, frames: list[Frame]) -> Iterator[int]:
    """Positions of keyframes in a list of frames, without the last frame."""
    key = frames[0]
    yield 0
    for i, frame in enumerate(frames[1:], 1):
        if scorer.divergence(key, frame).divergence > THRESHOLD:
            key = frame
            yield i


def sheet(frames: list[Frame], chosen: set[int]) -> Pixels:
    """All sampled frames, keyframes framed in red."""
    tiles = []
    for i, frame in enumerate(frames):
        height = 96
        tile = cv2.resize(frame.pixels, (frame.pixels.shape[1] * height // frame.pixels.shape[0], height))
        colour = (255, 0, 0) if i in chosen else (40, 40, 40)
        tiles.append(cv2.copyMakeBorder(tile, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=colour))
    across = max(1, 1400 // tiles[0].shape[1])
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % across)
    return np.vstack([np.hstack(tiles[i : i + across]) for i in range(0, len(tiles), across)])


# --- printing ---


def report(name: str, scores: list[Score], wrong: Callable[[float], bool], show: int) -> None:
    values = [score.s_rel for score in scores]
    share = np.mean([wrong(v) for v in values])
    print(f"{name:<22}{share:>11.2f}{statistics.mean(values):>+8.2f}{max(values):>+8.2f}")
    tell(name, [(score.s_rel, score.texts) for score in scores if wrong(score.s_rel)][:show])


def tell(name: str, failures: list[tuple[float, tuple[str, str]]]) -> None:
    for divergence, texts in failures:
        print(f"    {name}: {divergence:+.2f}\n      {texts[0]}\n      {texts[1]}")


def as_bytes(picture: np.ndarray) -> Pixels:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
