"""How errors pile up: PSNR and SSIM of DVST frame by frame, beside H.265 over LDPC at the same CBR.

    python benchmarks/drift.py CLIP... [--frames 200] [--snr-db 10] [--cbr 0.004] [--gops 0,12] [--codec h265]
        [--csv docs/data/dvst-drift.csv] [--out docs/figures/dvst-drift]

The middle 256 x 256 pixels of each clip that has so many frames. DVST once for each length of a GOP; 0: the first frame
is the only keyframe. Rows that the table holds already are not measured again. Prints the means of the first and of the
last half, as LGVSC has them for the first and the last 100 frames, and draws OUT.png from the table.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import fmean, stdev

import cv2
import torch

from lgvsc import kinds
from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.config import load_config
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import Frame, VideoFormat, VideoReader
from lgvsc.experiments.compare_plots import LOOKS, WIDTH_IN, save, styled
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.ssim import ssim
from lgvsc.training.pictures import square

SIDE = 256
COLUMNS = ("clip", "curve", "snr_db", "cbr", "frame", "psnr_db", "ssim")
Key = tuple[str, str, str]  # clip, curve, SNR


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--every", type=int, default=4, help="measure one frame in so many")
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--cbr", type=float, default=0.004)
    parser.add_argument("--gops", default="0,12", help="GOPs of DVST, in frames")
    parser.add_argument("--codec", default="h265", help="what to compare with; empty: nothing")
    parser.add_argument("--csv", type=Path, default=Path("docs/data/dvst-drift.csv"))
    parser.add_argument("--out", type=Path, default=Path("docs/figures/dvst-drift"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rows = read(arguments.csv)
    gops = [int(text) for text in arguments.gops.split(",") if text]
    curves = {f"dvst, {f'GOP {gop}' if gop else 'one keyframe'}": ("dvst", {"dvst.gop_frames": gop}) for gop in gops}
    if arguments.codec:
        curves[f"{arguments.codec}-ldpc"] = (f"{arguments.codec}-ldpc", {})
    for path in arguments.clips:
        for curve, (scheme, settings) in curves.items():
            key = path.stem, curve, f"{arguments.snr_db:g}"
            if any((row["clip"], row["curve"], row["snr_db"]) == key for row in rows):
                continue
            settings = settings | {"coding.budget": f"{arguments.cbr}cbr", "channel.snr_db": arguments.snr_db}
            rows += measured(path, scheme, settings, key, arguments.frames, arguments.every)
            write(arguments.csv, rows)
    table(rows, arguments.frames)
    plot(rows, arguments.out)


def measured(
    path: Path, scheme: str, settings: dict[str, object], key: Key, count: int, every: int
) -> list[dict[str, str]]:
    """Rows of one transmission."""
    with VideoReader(path) as reader:
        frames = [Frame(frame.index, square(frame.pixels, SIDE)) for frame in islice(reader, count)]
        video = VideoFormat(SIDE, SIDE, reader.format.fps, len(frames))
    if len(frames) < count:
        print(f"{path.stem} has {len(frames)} frames, not {count}, and is left out")
        return []
    start = time.process_time()
    config = load_config(scheme=scheme, settings=settings)
    sender, receiver = (kinds.scheme(config) for _ in range(2))
    bursts = [burst for _, burst in sender.transmit(iter(frames), video)]
    cbr = Ledger.of(bursts, video).cbr
    channel = AwgnChannel(config.channel.snr_db, child_generator(0, "channel", path.stem, config.channel.snr_db, 0))
    made = (frame for piece in receiver.reconstruct(channel(b.symbols) for b in bursts) for frame in piece.video)
    rows = []
    for source, shown in zip(frames, made, strict=True):
        if source.index % every == 0:
            quality = psnr_db(source.pixels, shown.pixels) or 99.0, ssim(source.pixels, shown.pixels)
            values = *key, f"{cbr:.3e}", str(source.index), f"{quality[0]:.2f}", f"{quality[1]:.4f}"
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    print(f"{key[0]}  {key[1]}  CBR {cbr:.2e}  {time.process_time() - start:.0f} CPU-seconds", flush=True)
    return rows


def table(rows: list[dict[str, str]], count: int) -> None:
    """Means of both halves over clips."""
    print(f"{'':<22}{'SNR':>4}{'n':>4}{'CBR':>10}   PSNR in dB / SSIM of the first and of the last {count // 2} frames")
    for curve, snr_db in dict.fromkeys((row["curve"], row["snr_db"]) for row in rows):
        mine = [row for row in rows if (row["curve"], row["snr_db"]) == (curve, snr_db)]
        clips = sorted({row["clip"] for row in mine})
        halves = [[row for row in mine if (int(row["frame"]) < count // 2) == first] for first in (True, False)]
        shown = [f"{mean(half, 'psnr_db'):.2f} / {mean(half, 'ssim'):.3f}" for half in halves]
        print(f"{curve:<22}{snr_db:>4}{len(clips):>4}{mean(mine, 'cbr'):>10.2e}   {shown[0]}   {shown[1]}")


def mean(rows: list[dict[str, str]], name: str) -> float:
    return fmean(float(row[name]) for row in rows)


def lines(rows: list[dict[str, str]], curve: str, name: str) -> Iterator[tuple[int, float, float]]:
    """Frame, mean over clips, and standard error of that mean."""
    by_frame: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if row["curve"] == curve:
            by_frame[int(row["frame"])].append(float(row[name]))
    for frame, values in sorted(by_frame.items()):
        yield frame, fmean(values), stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def plot(rows: list[dict[str, str]], out: Path) -> None:
    """PSNR and SSIM over frames, mean over clips."""
    with styled():
        import matplotlib.pyplot as plt

        clips = len({row["clip"] for row in rows})
        figure, both = plt.subplots(1, 2, figsize=(2 * WIDTH_IN, 2.4), layout="constrained")
        for axes, name, label in zip(both, ("psnr_db", "ssim"), ("PSNR (dB)", "SSIM"), strict=True):
            for curve, (colour, _, dashes) in zip(dict.fromkeys(row["curve"] for row in rows), LOOKS, strict=False):
                frames, means, _ = zip(*lines(rows, curve, name), strict=True)
                axes.plot(frames, means, label=curve if name == "psnr_db" else None, color=colour, linestyle=dashes)
            axes.set_xlabel("frame")
            axes.set_ylabel(label)
        figure.suptitle(f"{rows[0]['snr_db']} dB, mean of {clips} clips", fontsize="medium")
        figure.legend(frameon=False, loc="outside lower center", ncols=3, handlelength=2.6)
        save(figure, out)


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
