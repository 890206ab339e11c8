"""Hard cuts and motion on a folder of clips: speed, recall on cuts made by joining clips, and accuracy of the score.

    python benchmarks/motion.py FOLDER [--limit 40]

Alarms inside a clip are listed by name, since some clips hold real cuts: look at them. The motion score is compared
with DIS flow at 320x576 on frames a third of a second apart, which is Open-Sora's definition with another flow.
"""

from __future__ import annotations

import argparse
import math
import time
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev

import cv2
import numpy as np

from lgvsc.core.video import Frame, VideoReader
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.motion import Flow, MotionMeter, flow_score, small_grey

SIZE = (256, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=40)
    arguments = parser.parse_args()
    clips = sorted(arguments.folder.glob("*.mp4"))
    clips = clips[:: max(1, len(clips) // arguments.limit)][: arguments.limit]
    cv2.setNumThreads(1)

    heads: dict[str, list[Frame]] = {}
    tails: dict[str, list[Frame]] = {}
    alarms: list[str] = []
    ratios: list[float] = []
    cut_s = motion_s = 0.0
    count = 0
    for clip in clips:
        with VideoReader(clip) as reader:
            fps = reader.format.fps
            frames = [Frame(f.index, cv2.resize(f.pixels, SIZE, interpolation=cv2.INTER_AREA)) for f in reader]
        started = time.process_time()
        detector = CutDetector()
        found = [frame.index for frame in frames if detector(frame)]
        cut_s += time.process_time() - started
        alarms += [f"{clip.stem}:{index}" for index in found]

        started = time.process_time()
        meter = MotionMeter(fps)
        for frame in frames:
            meter.add(frame, cut=frame.index in found)
        motion = meter.measure()
        motion_s += time.process_time() - started
        count += len(frames)
        if not found:
            ratios.append(math.log((motion.score + 0.1) / (reference_score(frames, float(fps)) + 0.1)))
        heads[clip.stem], tails[clip.stem] = frames[:24], frames[-24:]

    recall, made = joined_cuts(heads, tails)
    print(f"frames                {count} of {SIZE[1]}x{SIZE[0]}")
    print(f"cut detector          {1000 * cut_s / count:.2f} ms of processor time per frame")
    print(f"motion meter          {1000 * motion_s / count:.2f} ms of processor time per frame")
    print(f"joined cuts found     {recall} of {made}")
    print(f"alarms inside clips   {len(alarms)}: {' '.join(alarms)}")
    print(
        f"score / DIS 320x576   {math.exp(mean(ratios)):.3f}, spread {100 * stdev(ratios):.0f} %, {len(ratios)} clips"
    )


def reference_score(frames: list[Frame], fps: float) -> float:
    """Open-Sora's definition with DIS in place of UniMatch."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    kept = [cv2.resize(small_grey(f.pixels, 256), (576, 320)) for f in frames[:: max(1, round(fps / 3))]]
    scores = []
    for before, after in pairwise(kept):
        field: Flow = flow.calc(before, after, None)
        scores.append(flow_score(field))
    return float(np.mean(scores))


def joined_cuts(heads: dict[str, list[Frame]], tails: dict[str, list[Frame]]) -> tuple[int, int]:
    """The end of each clip joined to the start of three others: cuts found on the very frame, and cuts made."""
    rng = np.random.default_rng(0)
    found = made = 0
    for name, tail in tails.items():
        others = [other for other in heads if other != name]
        for other in rng.choice(others, min(3, len(others)), replace=False):
            detector = CutDetector()
            answers = [detector(frame) for frame in tail + heads[str(other)]]
            found += answers[len(tail)]
            made += 1
    return found, made


if __name__ == "__main__":
    main()
