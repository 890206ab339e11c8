"""What a layered link has to beat, and what its network brings, at equal symbols.

On held-out clips: AV1's best format over adaptive LDPC as it is (``av1-ldpc``), the same bits with frames between held
pictures by motion (interpolated), and that with the enhancer without keyframes, faithful and vivid. All symbols are
those of ``av1-ldpc``.

Example: python benchmarks/layered_floors.py FOLDER --clips 6 --seconds 3 --cbr 3e-4,6e-4 --snr-db 0,10
"""

import argparse
import json
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import torch

from lgvsc.coding.budget import Budget
from lgvsc.coding.burst.control import VideoControl
from lgvsc.coding.frames.format_search import FormatSearch
from lgvsc.coding.frames.formats import Gop, middle_of_step, picture_at
from lgvsc.coding.frames.standard_codec import decode_gop, to_rgb
from lgvsc.core.video import VideoReader
from lgvsc.metrics.dists import dists_distance
from lgvsc.metrics.lpips import lpips_distance
from lgvsc.metrics.quality import QualityMeter
from lgvsc.models.catalog import load
from lgvsc.schemes.conventional import most_bytes
from lgvsc.training.enhancer_data import is_held_out
from lgvsc.world.layered import Structure, filled_in

LOOK_EVERY = 6  # frames, for LPIPS and DISTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--cbr", default="3e-4,6e-4")
    parser.add_argument("--snr-db", default="0,10")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    enhancer = load("compact-enhancer")
    every = [clip for clip in sorted(chosen.folder.rglob("*.mp4")) if is_held_out(clip)]
    clips = every[:: max(1, len(every) // chosen.clips)][: chosen.clips]
    cells = list(product(chosen.cbr.split(","), map(float, chosen.snr_db.split(","))))
    rows: dict[str, dict[str, list[dict[str, float]]]] = {}
    for clip in clips:
        with VideoReader(clip) as reader:
            video = reader.format
            frames = [frame.pixels for frame, _ in zip(reader, range(round(chosen.seconds * video.fps)), strict=False)]
        gop = Gop(0, video.height, video.width)
        for pixels in frames:
            gop.add(pixels)
        for cbr, snr_db in cells:
            made = ways(gop, frames, float(video.fps), cbr, snr_db, enhancer, video)
            for name, shown in made.items():
                rows.setdefault(f"{cbr} {snr_db:g} dB", {}).setdefault(name, []).append(measured(frames, shown))
            print(json.dumps({"clip": clip.stem, "cbr": cbr, "snr_db": snr_db, "ways": len(made)}), flush=True)
        for cell, by_name in rows.items():
            for name, measures in by_name.items():
                means = {key: round(float(np.mean([m[key] for m in measures])), 4) for key in measures[0]}
                print(json.dumps({"cell": cell, "way": name, "n": len(measures), **means}), flush=True)


def ways(gop, frames, fps, cbr, snr_db, enhancer, video):
    head = VideoControl.head_symbols(snr_db)
    symbols = Budget.parse(f"{cbr}cbr").symbols_per_frame(video, 1.0) * len(frames) - head
    room, _ = most_bytes(int(symbols), snr_db)
    choice = FormatSearch("av1").best(gop, room) if room else None
    if choice is None:
        return {}
    size, step = gop.size(choice.format), choice.format.step
    plain = [
        to_rgb(p.frame, gop.height, gop.width)
        for p in decode_gop("av1", choice.coded, size, choice.quantiser.constant_qp)
    ]
    positions = list(range(middle_of_step(step, len(frames)), len(frames), step))[: len(plain)]
    structure = Structure(coded=size, quantiser=choice.quantiser.value, interval_s=step / fps)
    held = [plain[picture_at(index, step, len(plain))] for index in range(len(frames))]
    made = {"av1-ldpc": held, "interpolated": list(filled_in(zip(positions, plain, strict=True), len(frames)))}
    for name, look in (("faithful, no keyframe", 0.0), ("vivid, no keyframe", 1.0)):
        enhanced = enhancer.enhanced(plain, structure, look=look)
        made[name] = list(filled_in(zip(positions, enhanced, strict=True), len(frames)))
    return made


def measured(source, shown):
    meter = QualityMeter(every=3)
    for one, other in zip(source, shown, strict=True):
        meter.add(one, other)
    quality = meter.result()
    one, other = (
        torch.from_numpy(np.stack(run[::LOOK_EVERY])).permute(0, 3, 1, 2).float() / 255 for run in (source, shown)
    )
    with torch.inference_mode():
        lpips, dists = float(lpips_distance(one, other).mean()), float(dists_distance(one, other).mean())
    return {
        "psnr_db": quality.psnr_db,
        "ssim": quality.ssim,
        "ms_ssim": quality.ms_ssim,
        "lpips": lpips,
        "dists": dists,
    }


if __name__ == "__main__":
    main()
