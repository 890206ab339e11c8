"""How good the frames are that the receiver makes, and what they cost.

    python benchmarks/world.py --media FOLDER [--clips 48] [--gaps 16,32,64] [--avif-quality 20] [--sheets FOLDER]
                               [--held-out] [--weights FILE] [--only NAME,NAME]
    python benchmarks/world.py --media FOLDER --words [--captions FILE] [--clips 20] [--held-out]
    python benchmarks/world.py --media FOLDER --sketched [--snr-db 10] [--held-out]
    python benchmarks/world.py --media FOLDER --seams [--gaps 16,32] [--held-out]
    python benchmarks/world.py --speed

One window without a cut is taken from each clip; its first frame and the one after its last are the keyframes. SSIM is
scikit-image's (7x7 windows, on RGB), over eight frames spread over the window; MS-SSIM is ours. Gradient energy and
flicker (mean absolute second difference in time) are relative to the source's. Ghost is the share of pixels whose
colour is a mix of both keyframes', among those where these differ (see ``ghosts``): 0 for holding, half and more for a
cross-fade, and not 0 for the source, as edges that move mix colours too. Only ``--held-out`` clips are new to the
trained model. Time is processor time per frame of 256x256 pixels' worth, flow included, with all frames made.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from lgvsc.core.interfaces import Conditions, WorldModel
from lgvsc.core.message import Motion
from lgvsc.core.video import Frame, Pixels, VideoFormat, VideoReader
from lgvsc.metrics.ssim import ms_ssim_and_ssim
from lgvsc.models.catalog import load
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.motion import MotionMeter
from lgvsc.training.pictures import held_out
from lgvsc.world.backends.compact.compact_world import CompactWorldModel
from lgvsc.world.backends.compact.compact_world import load as load_world
from lgvsc.world.backends.compact.interpolation import MotionInterpolation
from world_seams import seams
from world_speed import speed
from world_words import sketched, words

SAMPLES = 8
SHEET_HEIGHT = 128  # pixels of a picture on a contact sheet
DIFFERENT = 48  # of 255, in the channel that differs most: less does not show as a ghost
MIXED = (0.2, 0.8)  # share of the last keyframe
OFF_MIX = 0.15  # how far beside a mix a colour may lie, of the distance between the keyframes' colours
WORSE = 0.005  # of SSIM: a clip counts as worse than the simple methods from here on


@dataclass(frozen=True, slots=True)
class Window:
    """``gap + 1`` frames of a clip, and what the receiver gets of them."""

    clip: str
    frames: np.ndarray
    first: Pixels
    last: Pixels
    motion: Motion
    caption: str
    fps: Fraction

    @property
    def gap(self) -> int:
        return len(self.frames) - 1

    @property
    def samples(self) -> list[int]:
        step = self.gap / SAMPLES
        return [min(self.gap - 1, max(1, round(step * (i + 0.5)))) for i in range(SAMPLES)]


def hold(window: Window) -> list[Pixels]:
    return [window.first if t < window.gap / 2 else window.last for t in range(window.gap)]


def fade(window: Window) -> list[Pixels]:
    return [
        cv2.addWeighted(window.first, 1 - t / window.gap, window.last, t / window.gap, 0) for t in range(window.gap)
    ]


def flow_blend(window: Window) -> list[Pixels]:
    """DIS flow both ways, believed everywhere."""
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    a, b = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (window.first, window.last))
    forth, back = dis.calc(a, b, None), dis.calc(b, a, None)
    grid = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in a.shape[::-1])), axis=-1)
    made = []
    for t in range(window.gap):
        s = np.float32(t / window.gap)
        ways = (-(1 - s) * s * forth + s * s * back, (1 - s) ** 2 * forth - s * (1 - s) * back)
        pair = [
            cv2.remap(picture, grid + way, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for picture, way in zip((window.first, window.last), ways, strict=True)
        ]
        made.append(cv2.addWeighted(pair[0], float(1 - s), pair[1], float(s), 0))
    return made


def ours(
    window: Window, *, told: bool = True, last_lost: bool = False, model: WorldModel | None = None
) -> list[Pixels]:
    model = model or MotionInterpolation()
    height, width = window.first.shape[:2]
    conditions = Conditions(
        video=VideoFormat(height, width, window.fps),
        start=0,
        stop=window.gap,
        first=window.first,
        last=None if last_lost else window.last,
        last_index=window.gap,
        caption=window.caption,
        motion=window.motion if told else None,
        cut=None,
        latent_frames=model.latent_frames(window.gap),
        seed=0,
    )
    return list(model.generate(conditions))


METHODS: dict[str, Callable[[Window], list[Pixels]]] = {
    "hold nearest": hold,
    "cross-fade": fade,
    "DIS flow blend": flow_blend,
    "interpolation, untold": lambda window: ours(window, told=False),
    "interpolation": ours,
    "last lost, hold": lambda window: [window.first] * window.gap,
    "last lost, interpolation": lambda window: ours(window, last_lost=True),
}


def trained(shipped: CompactWorldModel) -> dict[str, Callable[[Window], list[Pixels]]]:
    """The trained model, at several temperatures of its dreams; its own first."""
    temperatures = sorted({shipped.temperature, 0.0, 1.0}, key=lambda t: (t != shipped.temperature, t))
    models = {t: CompactWorldModel(shipped.net, t) for t in temperatures}
    named = {f"compact world at {t:g}": lambda window, m=model: ours(window, model=m) for t, model in models.items()}
    return named | {"compact world, last lost": lambda window: ours(window, last_lost=True, model=shipped)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, help="folder of clips")
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--gaps", default="16,32,64")
    parser.add_argument("--avif-quality", type=int, help="keyframes pass through AVIF at this quality first")
    parser.add_argument("--sheets", type=Path, help="write a contact sheet of each window here")
    parser.add_argument("--held-out", action="store_true", help="only clips that training left out")
    parser.add_argument("--weights", type=Path, help="of the trained model, in place of the shipped ones")
    parser.add_argument("--only", help="methods whose names begin like one of these")
    parser.add_argument("--words", action="store_true", help="text only: is the right clip found by its caption?")
    parser.add_argument("--captions", type=Path, help="JSON of file names and captions, in place of our captioner's")
    parser.add_argument("--sketched", action="store_true", help="from sketches and words, as GVSC sends them")
    parser.add_argument("--snr-db", type=float, default=10.0, help="at which sketches arrive")
    parser.add_argument("--seams", action="store_true", help="jumps where segments meet")
    parser.add_argument("--speed", action="store_true", help="seconds per second of video; needs no clips")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    compact = load_world(arguments.weights.read_bytes()) if arguments.weights else load("compact-world")
    models: dict[str, WorldModel] = {"motion-interpolation": MotionInterpolation(), "compact-world": compact}
    if arguments.speed:
        speed(models)
        return
    if arguments.media is None:
        parser.error("--media is needed for all but --speed")
    paths = sorted(arguments.media.glob("*.mp4"))
    paths = [path for path in paths if held_out(path)] if arguments.held_out else paths
    paths = [paths[round(i * len(paths) / arguments.clips)] for i in range(min(arguments.clips, len(paths)))]
    gaps = [int(text) for text in arguments.gaps.split(",")]
    if arguments.words:
        words(paths, arguments.captions, models)
    elif arguments.sketched:
        sketched(paths, compact, arguments.snr_db)
    elif arguments.seams:
        seams(paths, gaps, models)
    else:
        METHODS.update(trained(compact))
        if arguments.only:
            beginnings = tuple(arguments.only.split(","))
            for name in [name for name in METHODS if not name.startswith(beginnings)]:
                del METHODS[name]
        for gap in gaps:
            between_keyframes(paths, gap, arguments.avif_quality, arguments.sheets)


def between_keyframes(paths: list[Path], gap: int, avif_quality: int | None, sheets: Path | None) -> None:
    quality, multi_scale, sharpness, flickers, ghostly, seconds = (defaultdict(list) for _ in range(6))
    clips = []
    for window in windows(paths, gap, avif_quality):
        clips.append(window.clip)
        source = [window.frames[t] for t in window.samples]
        pictures = {"source": source}
        ghostly["source"].append(ghosts(window, source))
        for name, method in METHODS.items():
            before = time.process_time()
            made = method(window)
            area = window.first.shape[0] * window.first.shape[1] / 65536
            seconds[name].append((time.process_time() - before) / gap / area)
            pictures[name] = [made[t] for t in window.samples]
            quality[name].append(np.mean([ssim(a, b) for a, b in zip(source, pictures[name], strict=True)]))
            pairs = zip(source, pictures[name], strict=True)
            multi_scale[name].append(np.mean([ms_ssim_and_ssim(a, b)[0] for a, b in pairs]))
            sharpness[name].append(
                sum(gradient_energy(p) for p in pictures[name]) / sum(gradient_energy(p) for p in source)
            )
            ghostly[name].append(ghosts(window, pictures[name]))
            flickers[name].append(flicker(made) / flicker(window.frames[:-1]))
        if sheets is not None:
            sheet(sheets / f"{window.clip}-{gap}.png", pictures)
    names = [name for name in METHODS if name in quality]
    simple = np.maximum(quality.get("hold nearest", [0.0] * len(clips)), quality.get("cross-fade", [0.0] * len(clips)))
    coded = f", keyframes through AVIF at quality {avif_quality}" if avif_quality is not None else ""
    print(f"\n{len(clips)} windows, keyframes {gap} frames apart{coded}")
    heads = f"{'gradient':>10}{'ghost':>8}{'flicker':>9}{'worse':>7}{'by most':>9}{'ms/frame':>10}"
    print(f"{'':<25}{'SSIM':>8}{'MS-SSIM':>9}{heads}")
    print(f"{'source':<25}{1:>8.4f}{1:>9.4f}{1:>10.3f}{np.nanmean(ghostly['source']):>8.3f}{1:>9.3f}")
    for name in names:
        gain = np.asarray(quality[name]) - simple
        print(
            f"{name:<25}{np.mean(quality[name]):>8.4f}{np.mean(multi_scale[name]):>9.4f}"
            f"{np.mean(sharpness[name]):>10.3f}{np.nanmean(ghostly[name]):>8.3f}{np.mean(flickers[name]):>9.3f}"
            f"{int((gain < -WORSE).sum()):>7}"
            f"{gain.min():>+9.3f}{1000 * np.mean(seconds[name]):>10.1f}"
        )
    for name in names:
        gain = np.asarray(quality[name]) - simple
        losers = [f"{clips[i]} {gain[i]:+.3f}" for i in np.argsort(gain) if gain[i] < -WORSE]
        if name.startswith(("interpolation", "compact")):
            print(f"{name} is worse than hold and fade on: " + (", ".join(losers) or "none"), flush=True)


def windows(paths: list[Path], gap: int, avif_quality: int | None) -> Iterator[Window]:
    """The first window of each clip that no cut falls into."""
    for path in paths:
        run: list[Frame] = []
        cuts = CutDetector()
        with VideoReader(path) as reader:
            fps = reader.format.fps
            for frame in reader:
                run = [frame] if cuts(frame) else [*run, frame]
                if len(run) > gap:
                    break
        if len(run) <= gap:
            continue
        meter = MotionMeter(fps)
        for frame in run:
            meter.add(frame)
        ends = (run[0].pixels, run[-1].pixels)
        first, last = ends if avif_quality is None else (coded(picture, avif_quality) for picture in ends)
        motion = meter.measure()
        caption = CompactCaptioner().caption([run[0], run[gap // 2], run[-1]], motion, 160)
        yield Window(path.stem, np.stack([f.pixels for f in run]), first, last, motion, caption, fps)


def coded(picture: Pixels, quality: int) -> Pixels:
    """What a still-picture codec leaves of it."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "AVIF", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def ssim(a: Pixels, b: Pixels) -> float:
    return float(structural_similarity(a, b, channel_axis=2, data_range=255))


def gradient_energy(picture: Pixels) -> float:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.square(np.diff(grey, axis=0)).mean() + np.square(np.diff(grey, axis=1)).mean())


def ghosts(window: Window, pictures: Sequence[Pixels]) -> float:
    """Share of mixed colours where the keyframes differ, in [0, 1]; not a number where they differ nowhere.

    A pixel counts as mixed if its colour lies on the line between those of the two keyframes at its place, give or
    take ``OFF_MIX``, with a share of ``MIXED`` of the last one's: both show through, as in a double exposure.
    """
    first = window.first.astype(np.float32)
    across = window.last - first
    different = np.abs(across).max(axis=2) > DIFFERENT
    first, across = first[different], across[different]
    if not len(first):
        return float("nan")
    length = np.linalg.norm(across, axis=1, keepdims=True)
    mixed = []
    for picture in pictures:
        moved = picture[different] - first
        share = (moved * across).sum(axis=1, keepdims=True) / length**2
        beside = np.linalg.norm(moved - share * across, axis=1, keepdims=True) / length
        mixed.append(float(((share > MIXED[0]) & (share < MIXED[1]) & (beside < OFF_MIX)).mean()))
    return float(np.mean(mixed))


def flicker(frames: Sequence[Pixels] | np.ndarray) -> float:
    """Mean absolute second difference in time: what jitters, not what moves evenly."""
    run = np.stack(frames).astype(np.int16)
    return float(np.abs(run[2:] - 2 * run[1:-1] + run[:-2]).mean()) + 1e-6


def sheet(path: Path, pictures: dict[str, list[Pixels]]) -> None:
    """One named row for each method, every other sample, small enough for a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pictures["source"][0].shape[:2]
    size = (round(SHEET_HEIGHT * width / height), SHEET_HEIGHT)
    rows = []
    for name, row in pictures.items():
        cells = np.hstack([cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in row[::2]])
        for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(cells, name, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, thickness, cv2.LINE_AA)
        rows.append(cells)
    Image.fromarray(np.vstack(rows)).quantize(192).save(path, optimize=True)


if __name__ == "__main__":
    main()
