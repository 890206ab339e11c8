"""What words and sketches alone give; see ``world.py --words`` and ``--sketched``."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.words.colours import decode_colours, encode_colours
from lgvsc.core.interfaces import Conditions, WorldModel
from lgvsc.core.message import Motion
from lgvsc.core.video import Frame, Pixels, VideoFormat, VideoReader
from lgvsc.metrics.ssim import ms_ssim_and_ssim
from lgvsc.models.catalog import load
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner
from lgvsc.semantics.encoder import cells
from lgvsc.semantics.motion import MotionMeter
from lgvsc.world.backends.compact.compact_world import CompactWorldModel

Pictures = NDArray[np.float32]  # (n, 16, 16, 3), CIE Lab
GVSC = VideoFormat(256, 256, Fraction(4))
GVSC_FRAMES = 8
SHOWN = 4  # frames that the captioner gets to see
LAYOUT = "layout: L at 4x4, without its mean"


def words(paths: list[Path], captions: Path | None, models: dict[str, WorldModel]) -> None:
    """Make each clip from its caption; compare with all clips, coarsely, by colour, light and layout."""
    captioner = load("compact-captioner")
    written = json.loads(captions.read_text(encoding="utf-8")) if captions else {}
    truths = []
    made: dict[str, list[NDArray[np.float32]]] = {name: [] for name in models}
    for number, path in enumerate(paths):
        with VideoReader(path) as reader:
            frames = [frame for _, frame in zip(range(24), reader, strict=False)]
            video = reader.format
        shown = [frames[round(at)] for at in np.linspace(0, len(frames) - 1, SHOWN)]
        caption = written[path.name] if captions else captioner.caption(shown, None, 160)
        truths.append(coarse(frames[len(frames) // 2].pixels))
        for name, model in models.items():
            made[name].append(coarse(from_words(caption, video, model, seed=number)))
    truth = np.stack(truths)
    whose = f"from {captions.name}" if captions else "of the compact captioner (160 bytes at most)"
    n = len(paths)
    print(f"\n{n} clips, each made from the words of its caption alone, captions {whose}")
    for model_name, pictures in made.items():
        print(f"{model_name + ', compared by':<38}{'first':>7}{'in three':>10}{'mean rank':>11}")
        for name, describe in DESCRIPTORS.items():
            ranks = ranked(describe(np.stack(pictures)), describe(truth))
            print(f"{name:<38}{(ranks == 1).mean():>7.0%}{(ranks <= 3).mean():>10.0%}{ranks.mean():>11.1f}")
        alike = likeness(np.stack(pictures), truth)
        own = np.diag(alike) - (alike.sum(axis=1) - np.diag(alike)) / (n - 1)
        print(f"likeness of layout, above that with other clips: {own.mean():+.3f} ({words_of_interval(own)})")
    print(f"{'by chance':<38}{1 / n:>7.0%}{3 / n:>10.0%}{(n + 1) / 2:>11.1f}")


def likeness(made: Pictures, truth: Pictures) -> NDArray[np.float64]:
    """Correlation of the layouts of light, each picture made with each clip, ``(n, n)``."""
    describe = DESCRIPTORS[LAYOUT]
    a, b = (
        pictures / np.maximum(1e-6, np.linalg.norm(pictures, axis=1, keepdims=True))
        for pictures in (describe(made), describe(truth))
    )
    return np.asarray(a @ b.T, np.float64)


def words_of_interval(values: NDArray[np.float64]) -> str:
    """The middle 95 % of means over 2000 resamplings of the clips."""
    means = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{low:+.3f} to {high:+.3f}"


def from_words(caption: str, video: VideoFormat, model: WorldModel, seed: int) -> Pixels:
    """The middle one of a few frames."""
    conditions = Conditions(
        video=video,
        start=0,
        stop=3,
        first=None,
        last=None,
        last_index=3,
        caption=caption,
        motion=None,
        cut=None,
        latent_frames=model.latent_frames(3),
        seed=seed,
    )
    return list(model.generate(conditions))[1]


def coarse(picture: Pixels) -> NDArray[np.float32]:
    """CIE Lab at 16x16."""
    small = cv2.resize(picture, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.float32)


def blocks(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 4x4 places, ``(n, 4, 4, ...)``."""
    return pictures.reshape(len(pictures), 4, 4, 4, 4, *pictures.shape[3:]).mean((2, 4))


DESCRIPTORS: dict[str, Callable[[Pictures], NDArray[np.float32]]] = {
    "everything: Lab at 16x16": lambda lab: lab.reshape(len(lab), -1),
    "colour: a, b at 4x4": lambda lab: blocks(lab[..., 1:]).reshape(len(lab), -1),
    "light: mean of L": lambda lab: lab[..., 0].mean((1, 2))[:, None],
    LAYOUT: lambda lab: blocks(lab[..., 0] - lab[..., 0].mean((1, 2), keepdims=True)).reshape(len(lab), -1),
}


def ranked(made: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Place of each clip among all, by its distance to what was made of its caption; ties share the mean place."""
    distance = np.linalg.norm(made[:, None] - truth[None], axis=2)
    own = np.diag(distance)[:, None]
    return np.asarray((distance < own).sum(1) + 0.5 * ((distance == own).sum(1) - 1) + 1)


def sketched(paths: list[Path], model: CompactWorldModel, snr_db: float) -> None:
    """GVSC's four kinds of side information: eight frames of 256 x 256 at 4 frames per second of each clip."""
    extractor, codec, captioner = load("compact-pidinet"), load("compact-deepjscc-sketch"), CompactCaptioner()
    rows: dict[str, list[tuple[float, float]]] = {}
    for path in paths:
        frames = at_gvsc_rate(path)
        meter = MotionMeter(GVSC.fps)
        for frame in frames:
            meter.add(frame)
        motion = meter.measure()
        caption = captioner.caption([frames[0], frames[3], frames[-1]], motion, 160)
        sketches = []
        for frame in frames:
            noise = child_generator(frame.index, path.stem)
            received = AwgnChannel(snr_db, noise)(codec.encode(extractor.extract(frame.pixels), snr_db))
            sketches.append((frame.index, codec.decode(received, 256, 256)))
        given = {
            "words": (None, ()),
            "words, first sketch": (None, tuple(sketches[:1])),
            "words, all sketches": (None, tuple(sketches)),
            "words, first frame": (frames[0].pixels, ()),
            "words, first frame, all sketches": (frames[0].pixels, tuple(sketches)),
        }
        mean = np.mean([cells(frame.pixels) for frame in frames], axis=0)
        colours = decode_colours(encode_colours(np.rint(mean).astype(np.uint8)))
        given |= {f"{name}, colours": parts for name, parts in given.items()}
        for name, (first, drawn) in given.items():
            made = from_sketches(model, caption, motion, first, drawn, colours if "colours" in name else None)
            pairs = [ms_ssim_and_ssim(frame.pixels, picture)[0] for frame, picture in zip(frames, made, strict=True)]
            similar = [ssim(frame.pixels, picture) for frame, picture in zip(frames, made, strict=True)]
            rows.setdefault(name, []).append((float(np.mean(similar)), float(np.mean(pairs))))
    print(f"\n{len(paths)} clips, eight frames of 256x256 at 4 fps; sketches by the shipped code at {snr_db:g} dB")
    print(f"{'given':<44}{'SSIM':>8}{'MS-SSIM':>9}{'better than words in':>22}")
    words_alone = np.array(rows["words"])[:, 0]
    for name, row in rows.items():
        values = np.array(row)
        better = f"{int((values[:, 0] > words_alone).sum())} of {len(values)}"
        print(f"{name:<44}{values[:, 0].mean():>8.4f}{values[:, 1].mean():>9.4f}{better:>22}")


def ssim(a: Pixels, b: Pixels) -> float:
    return float(structural_similarity(a, b, channel_axis=2, data_range=255))


def at_gvsc_rate(path: Path) -> list[Frame]:
    """Eight frames a quarter of a second apart, or nearer where the clip is short."""
    with VideoReader(path) as reader:
        frames = [frame.pixels for frame in reader]
        stride = max(1, min(round(float(reader.format.fps) / 4), len(frames) // GVSC_FRAMES))
    chosen = frames[: stride * GVSC_FRAMES : stride]
    small = [cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA) for picture in chosen]
    return [Frame(index, np.asarray(picture, np.uint8)) for index, picture in enumerate(small)]


def from_sketches(
    model: CompactWorldModel,
    caption: str,
    motion: Motion,
    first: Pixels | None,
    sketches: tuple[tuple[int, Pixels], ...],
    colours: Pixels | None,
) -> list[Pixels]:
    conditions = Conditions(
        video=GVSC,
        start=0,
        stop=GVSC_FRAMES,
        first=first,
        last=None,
        last_index=GVSC_FRAMES - 1,
        caption=caption,
        motion=motion,
        cut=None,
        latent_frames=model.latent_frames(GVSC_FRAMES),
        seed=0,
        sketches=sketches,
        colours=colours,
    )
    return list(model.generate(conditions))
