"""LGVSC's section III-E: seconds of the transmitter and of the receiver here, and the paper's, projected as it does."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from lgvsc import build, link
from lgvsc.config import Config, load_config
from lgvsc.core.cost import Cost
from lgvsc.core.video import Frame, VideoReader
from lgvsc.errors import LgvscError
from lgvsc.experiments.recipe import Recipe
from lgvsc.experiments.reproduction import figures
from lgvsc.experiments.reproduction.clips import Footage
from lgvsc.experiments.reproduction.result import Reproduction, Value, value_of
from lgvsc.inspection import find_keyframes
from lgvsc.models.catalog import load
from lgvsc.semantics.psss import Psss

PAIRS = 8  # that are timed one by one, of each clip
PAPERS_S_PER_MINUTE, PAPERS_S_PER_PAIR, PAPERS_TFLOPS = 2444.0, 8.77, 165.2  # RTX 4090, BF16
PROJECTED = {"B200, projected": 2250.0, "H100 or H200, projected": 989.4}  # TFLOPS, BF16


def complexity(recipe: Recipe, clips: Sequence[Footage], folder: Path) -> Reproduction:
    """Time each stage on this machine, and project the paper's times by peak speed."""
    made = Reproduction(recipe)
    config = load_config(recipe.preset, "skem-dsa", recipe.settings)
    found: dict[str, list[float]] = {}
    for clip in clips:
        try:
            for metric, value in timed(clip.path, config, folder).items():
                found.setdefault(metric, []).append(value)
        except LgvscError as error:
            made.notes.append(f"left out: {clip.path.name}: {error}")
    series = f"here, preset {recipe.preset}"
    made.values += [value_of(series, metric, values) for metric, values in found.items()]
    for name, tflops in PROJECTED.items():
        times = tflops / PAPERS_TFLOPS
        of = {
            "s_per_minute": PAPERS_S_PER_MINUTE / times,
            "s_per_pair": PAPERS_S_PER_PAIR / times,
            "speedup": times,
        }
        made.values += [Value(series=name, metric=metric, value=value) for metric, value in of.items()]
    made.notes += [
        f"here: {platform.processor() or platform.machine()}, {platform.system()}, Python {platform.python_version()}; "
        f"keyframes by {keyframe_codec(config)}, wall time, models loaded before"
        f"{busy()}",
        "projected: the paper's times on an RTX 4090 over the ratio of peak BF16 speeds, nothing else",
    ]
    figures.write(made, folder)
    return made


def busy() -> str:
    """How much else the machine had to do, where it says so: it makes every time longer."""
    if not hasattr(os, "getloadavg"):
        return ""
    return f"; load average {os.getloadavg()[0]:.1f} over {os.cpu_count()} cores"


def timed(clip: Path, config: Config, folder: Path) -> dict[str, float]:
    """Seconds of one clip, models warm."""
    similarity = build.psss(config)
    with VideoReader(clip, max_side=config.link.max_side) as reader:
        step = max(1, round(float(reader.format.fps) / (config.keyframes.sample_fps or float(reader.format.fps))))
        frames = [frame for frame in islice(reader, (PAIRS + 1) * step) if frame.index % step == 0]
    found = time_pairs(similarity, frames)
    found["s_per_minute"] = find_keyframes(clip, config, similarity=similarity).seconds_per_minute
    codec = load(keyframe_codec(config))
    symbols = int(config.coding.keyframe_cbr * frames[0].pixels.size)
    started = time.perf_counter()
    for frame in frames:
        codec.encode(frame.pixels, max_symbols=symbols, snr_db=config.belief.esn0_db)
    found["keyframe_ms"] = 1000 * (time.perf_counter() - started) / len(frames)
    record = link.run(clip, config, output=folder / f"{clip.stem}.rebuilt.mp4")
    report = record.report()
    found["world_s_per_s"] = report["timing_s"]["world"] * report["source"]["fps"] / report["source"]["frames"]
    return found


def time_pairs(similarity: Psss, frames: Sequence[Frame]) -> dict[str, float]:
    """Seconds of a pair of frames not seen before; and, where another model judges, the share of describing in it."""
    similarity.start_ledger()
    told, captioner, judge = similarity.cost, similarity.captioner, similarity.judge
    apart = captioner is not judge
    if apart:
        captioner.cost, judge.cost = Cost(), Cost()
    started = time.perf_counter()
    for frame in frames[1:]:
        similarity.divergence(frames[0], frame)
    seconds, pairs = time.perf_counter() - started, len(frames) - 1
    if not pairs:
        return {}
    share = {"caption_share": captioner.cost.seconds / seconds} if apart else {}
    captioner.cost = judge.cost = told
    return {"s_per_pair": seconds / pairs} | share


def keyframe_codec(config: Config) -> str:
    """The learned code, where it takes part; the paper's keyframes are sent by NTSCC."""
    return next((name for name in config.models.picture_codecs if "ntscc" in name), config.models.picture_codecs[0])
