"""What becomes of flashes, bare frames, fades and dissolves: SKEM against SKIM with as many keyframes.

    python benchmarks/passages.py CLIP OTHER [CLIP OTHER ...] [--kinds black1-begin,fade-in15,...]
        [--budgets none,6e-4cbr,2e-3cbr] [--snr-db 10,clean] [--seconds 3] [--out FOLDER]

Each kind is made from the beginning of CLIP, dissolves and fades between scenes from that of OTHER as well. Without a
budget SKIM has the number of keyframes that SKEM chose, each at the same price; with a budget both have it, and SKIM
the number that SKEM was planned with. A frame is wrong where the light of what is shown is more than 20 levels off:
mean or spread of a colour, over the whole frame. PSNR and MS-SSIM are taken on every second frame, LPIPS on one in six.
Rows lie in FOLDER, and those found there are not measured again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice, zip_longest
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc import link
from lgvsc.config import load_config
from lgvsc.core.bare import shrink
from lgvsc.core.video import Pixels, Video, VideoReader, write_video

WRONG = 20.0  # levels
METRICS = ("psnr_db", "ms_ssim", "lpips")
CLEAN_DB = 60.0
Picture = NDArray[np.float32]
Maker = Callable[[int, list[Picture], list[Picture]], Picture]
Row = dict[str, dict[str, float]]


def stretch(level: float | tuple[float, float, float], length: int, place: str) -> Maker:
    """Bare frames."""

    def made(i: int, one: list[Picture], other: list[Picture]) -> Picture:
        at = {"begin": 0, "middle": len(one) // 2, "end": len(one) - length}[place]
        return np.broadcast_to(np.float32(level), one[i].shape) if at <= i < at + length else one[i]

    return made


def flash(length: int, times: int = 1) -> Maker:
    """One in the middle, or several, six frames apart."""

    def made(i: int, one: list[Picture], other: list[Picture]) -> Picture:
        begins = [len(one) // 2 + 6 * time for time in range(times)]
        bright = any(at <= i < at + length for at in begins)
        return np.minimum(255, 2.2 * one[i] + 60).astype(np.float32) if bright else one[i]

    return made


def fade(way: str, length: int, level: float = 0.0, pace: float = 1.0) -> Maker:
    """In or out, evenly or not; through black into the other scene; or a dissolve."""

    def made(i: int, one: list[Picture], other: list[Picture]) -> Picture:
        half, last = len(one) // 2, len(one) - 1
        share = {"in": i / length, "out": (last - i) / length, "through": abs(i - half) / length}.get(
            way, (i - half) / length
        )
        share = float(np.clip(share, 0, 1)) ** pace
        if way == "dissolve":
            return one[i] + (other[i] - one[i]) * share
        scene = other if way == "through" and i >= half else one
        return level + (scene[i] - level) * share

    return made


KINDS: dict[str, Maker] = {
    **{f"black{n}-{at}": stretch(0, n, at) for n in (1, 3, 8) for at in ("begin", "middle", "end")},
    "white3-middle": stretch(255, 3, "middle"),
    "grey8-middle": stretch(128, 8, "middle"),
    "red1-begin": stretch((200, 30, 30), 1, "begin"),
    "white1-end": stretch(255, 1, "end"),
    **{f"flash{n}": flash(n) for n in (1, 2, 3)},
    "flashes2": flash(2, times=3),
    **{f"fade-{way}15": fade(way, 15) for way in ("in", "out", "through", "dissolve")},
    "fade-white-in15": fade("in", 15, 255.0),
    "fade-in25-uneven": fade("in", 25, pace=2.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP OTHER", help="in pairs")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--budgets", default="none,6e-4cbr,2e-3cbr")
    parser.add_argument("--snr-db", default="10,clean")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--side", type=int, default=176, help="short side; MS-SSIM wants 176")
    parser.add_argument("--out", type=Path, default=Path("passages"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    if len(chosen.clips) % 2:
        parser.error("give clips in pairs: CLIP OTHER")
    print(
        f"{'clip':<14}{'kind':<18}{'budget':>9}{'SNR':>6} |{'keyframes':>10}{'wrong':>6}{'CBR':>9}"
        + HEAD
        + f" |{'wrong':>6}"
        + HEAD
    )
    rows = []
    for clip, other in zip(chosen.clips[::2], chosen.clips[1::2], strict=True):
        rows += of_pair(clip, other, chosen)
    print()
    for budget in chosen.budgets.split(","):
        for snr in chosen.snr_db.split(","):
            mine = [row for b, s, row in rows if (b, s) == (budget, snr)]
            ahead = {key: fmean(row["skem"][key] - row["skim"][key] for row in mine) for key in METRICS}
            worst = {
                key: min((row["skem"][key] - row["skim"][key]) * (-1 if key == "lpips" else 1) for row in mine)
                for key in METRICS
            }
            print(
                f"{budget} {snr}: SKEM less SKIM, mean of {len(mine)} "
                + ", ".join(f"{key} {value:+.3f}" for key, value in ahead.items())
                + "; worst "
                + ", ".join(f"{key} {value:+.3f}" for key, value in worst.items())
            )


def of_pair(clip: Path, other_clip: Path, chosen: argparse.Namespace) -> list[tuple[str, str, Row]]:
    """Budget, SNR and what was measured, for every kind."""
    one, fps = beginning(clip, chosen.seconds, chosen.side)
    other, _ = beginning(other_clip, chosen.seconds, chosen.side)
    other = [cv2.resize(picture, one[0].shape[1::-1], interpolation=cv2.INTER_AREA) for picture in other]
    count = min(len(one), len(other))
    rows = []
    for kind in chosen.kinds.split(","):
        pictures = [KINDS[kind](i, one[:count], other[:count]) for i in range(count)]
        source = chosen.out / f"{clip.stem}_{kind}.mp4"
        if not source.is_file():
            write_video(source, Video(np.stack(pictures).round().clip(0, 255).astype(np.uint8), fps))
        for budget in chosen.budgets.split(","):
            for snr in chosen.snr_db.split(","):
                at = chosen.out / f"{source.stem}_{budget}_{snr}.json"
                row = json.loads(at.read_text("utf-8")) if at.is_file() else compared(source, budget, snr)
                at.write_text(json.dumps(row), "utf-8")
                rows.append((budget, snr, row))
                print(f"{clip.stem[:13]:<14}{kind:<18}{budget:>9}{snr:>6} |" + told(row), flush=True)
    return rows


HEAD = f"{'PSNR':>7}{'MS-SSIM':>9}{'LPIPS':>7}"


def beginning(clip: Path, seconds: float, side: int) -> tuple[list[Picture], Fraction]:
    """The first frames, at a short side of so many pixels."""
    with VideoReader(clip) as reader:
        video = reader.format
        scale = min(1.0, side / min(video.width, video.height))
        size = tuple(2 * round(scale * length / 2) for length in (video.width, video.height))
        first = islice(reader, round(seconds * float(video.fps)))
        return [cv2.resize(f.pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32) for f in first], video.fps


def compared(source: Path, budget: str, snr: str) -> Row:
    """SKEM, and SKIM with as many keyframes."""
    settings: dict[str, object] = {
        "channel.snr_db": CLEAN_DB if snr == "clean" else float(snr),
        "link.metrics": "psnr,ms_ssim,lpips",
        "link.metrics_every": 2,
        "link.look_every": 6,
    }
    if budget != "none":
        settings["coding.budget"] = budget
    skem = sent(source, "skem-dsa", settings)
    segments = {"keyframes.segments": max(1, int(skem["keyframes"]) - 1)}
    return {"skem": skem, "skim": sent(source, "skim-dsa", settings | segments)}


def sent(source: Path, scheme: str, settings: dict[str, object]) -> dict[str, float]:
    shown = source.with_name(f"{source.stem}_{scheme}_shown.mp4")
    report = link.run(source, load_config(scheme=scheme, settings=settings), output=shown).report()
    row = {key: report["metrics"][key] for key in METRICS}
    row |= {"keyframes": len(report["keyframes"]), "cbr": report["cbr"]}
    return row | {"wrong": sum(a > WRONG for a in lights_apart(source, shown))}


def lights_apart(source: Path, shown: Path) -> Iterator[float]:
    """How far the light of each frame is off, in levels."""
    with VideoReader(source) as true, VideoReader(shown) as made:
        for one, other in zip_longest(true, made):
            yield 255.0 if one is None or other is None else light_apart(one.pixels, other.pixels)


def light_apart(one: Pixels, other: Pixels) -> float:
    lights = [np.hstack(cv2.meanStdDev(shrink(picture))) for picture in (one, other)]
    return float(np.abs(lights[0] - lights[1]).max())


def told(row: Row) -> str:
    skem, skim = row["skem"], row["skim"]
    quality = [f"{r['psnr_db']:>7.2f}{r['ms_ssim']:>9.3f}{r['lpips']:>7.3f}" for r in (skem, skim)]
    first = f"{skem['keyframes']:>10.0f}{skem['wrong']:>6.0f}{skem['cbr']:>9.1e}"
    return f"{first}{quality[0]} |{skim['wrong']:>6.0f}{quality[1]}"


if __name__ == "__main__":
    main()
