"""Which threshold of hard cuts finds what: the table by which `message.cuts.threshold` was chosen.

    python benchmarks/cuts.py FOLDER [--truth docs/data/cuts.csv] [--thresholds 0.2,0.25,0.28,0.3,0.35,0.5]
        [--without crafting_green_figure] [--limit 0]

The truth lists clips and the first frames of new shots, marked by eye but for two clips (see ``docs/keyframes.md``); a
clip of the folder that is not in it has no cut. A cut is found where the detector names its frame or one beside it. For
each threshold: cuts found and missed, frames named that are none, and F1; then which clips those are at the default.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

from lgvsc.core.video import VideoReader
from lgvsc.semantics import cuts
from lgvsc.semantics.cuts import CutConfig, CutDetector, glance

BESIDE = 1  # frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--truth", type=Path, default=Path(__file__).parent.parent / "docs" / "data" / "cuts.csv")
    parser.add_argument("--thresholds", default="0.2,0.25,0.28,0.3,0.35,0.5")
    parser.add_argument("--without", default="crafting_green_figure", help="clips on which no eye could decide")
    parser.add_argument("--limit", type=int, default=0, help="clips, evenly from the sorted folder; 0 takes all")
    chosen = parser.parse_args()
    thresholds = sorted({float(text) for text in chosen.thresholds.split(",")} | {CutConfig().threshold})
    truth = defaultdict(set)
    with chosen.truth.open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            truth[row["clip"]].add(int(row["frame"]))
    clips = sorted(path for path in chosen.folder.glob("*.mp4") if path.stem not in chosen.without.split(","))
    clips = clips[:: max(1, len(clips) // chosen.limit)] if chosen.limit else clips
    cuts.difference = lru_cache(64)(cuts.difference)  # the same for every threshold
    found: dict[float, list[tuple[str, int]]] = {threshold: [] for threshold in thresholds}
    frames = 0
    for clip in clips:
        detectors = {threshold: CutDetector(CutConfig(threshold=threshold)) for threshold in thresholds}
        with VideoReader(clip) as reader:
            for frame in reader:
                seen = glance(frame.pixels)
                for threshold, is_cut in detectors.items():
                    if is_cut.see(seen):
                        found[threshold].append((clip.stem, frame.index))
                frames += 1
    marked = {(clip.stem, index) for clip in clips for index in truth[clip.stem]}
    print(f"{len(clips)} clips, {frames} frames, {len(marked)} cuts\n")
    print(f"{'threshold':>9}{'found':>7}{'missed':>8}{'false':>7}{'F1':>7}")
    for threshold in thresholds:
        hits = {cut for cut in marked if any(near(cut, named) for named in found[threshold])}
        false = [named for named in found[threshold] if not any(near(cut, named) for cut in marked)]
        f1 = 2 * len(hits) / max(1, len(marked) + len(hits) + len(false))
        mark = " *" if threshold == CutConfig().threshold else ""
        print(f"{threshold:>9g}{len(hits):>7}{len(marked) - len(hits):>8}{len(false):>7}{f1:>7.3f}{mark}")
        if mark:
            at_default = sorted(marked - hits), false
    print("\n* the default. Missed: " + ", ".join(f"{clip} {index}" for clip, index in at_default[0]))
    print("Named, but none: " + ", ".join(f"{clip} {index}" for clip, index in at_default[1]))


def near(cut: tuple[str, int], named: tuple[str, int]) -> bool:
    return cut[0] == named[0] and abs(cut[1] - named[1]) <= BESIDE


if __name__ == "__main__":
    main()
