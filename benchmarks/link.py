"""Speed of the whole link: frames per second of each stage, against the video's own rate.

    python benchmarks/link.py [VIDEO] [--snr-db 10]

Without VIDEO it makes the sample clip (256x256, 24 fps). Stages are timed in one run, each without the stages inside
it; the run is repeated once first, so imports and the building of codes are not in the figures. With ``--transmitter``
the transmitter runs alone, one thread for each of its halves, and what counts is the processor's time of each thread,
which other work on the machine changes little: on two free cores it takes as long as the first look at the file and the
longer half together.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import torch

from lgvsc import kinds, link
from lgvsc.config import load_config
from lgvsc.core.clock import Stopwatch
from lgvsc.core.cost import Cost
from lgvsc.core.video import VideoReader
from lgvsc.experiments.clips.sample_clip import make_sample_clip
from lgvsc.settings import Config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--scheme", default="skem-dsa")
    parser.add_argument("--transmitter", action="store_true", help="the transmitter alone, by the processor's time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = arguments.video or Path(folder) / "clip.mp4"
        if arguments.video is None:
            make_sample_clip(video)
        config = load_config(scheme=arguments.scheme, settings={"channel.snr_db": arguments.snr_db})
        if arguments.transmitter:
            transmitter(video, config)
            return
        for attempt in ("warm-up", "measured"):
            record = link.run(video, config, output=Path(folder) / f"{attempt}.mp4")
        frames = record.ledger.video.frames or 0
        fps = float(record.video.fps)
        print(f"{record.video.width}x{record.video.height}, {fps:.4g} fps, {frames} frames, {arguments.scheme}")
        print(f"{'stage':<20}{'seconds':>10}{'frames/s':>10}{'x real time':>13}")
        times = record.timing_s
        sides = {
            "transmitter": times["semantics"] + times["coding_send"],
            "receiver": times["coding_receive"] + times["world"],
        }
        for name, seconds in (times | sides).items():
            if seconds > 0:
                print(f"{name:<20}{seconds:>10.2f}{frames / seconds:>10.1f}{frames / seconds / fps:>13.2f}")


def transmitter(video: Path, config: Config) -> None:
    """Seconds of the processor for each half of the transmitter, the second time that it runs."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    for _ in range(2):
        clock = Stopwatch(time.thread_time)
        with VideoReader(video) as reader:
            with clock.stage("first look"):
                fitted, _ = kinds.fit_to_budget(reader, config)
            cost = Cost()
            sent = kinds.scheme(fitted, clock, cost=cost).transmit(clock.during("source", reader), reader.format)
            frames = max(segment.stop for segment, _ in sent)
            form = reader.format
    spent = clock.seconds()
    halves = {"semantics": spent["semantics"] + spent["source"], "coding": spent["coding_send"]}
    duration = frames / float(form.fps)
    print(f"{form.width}x{form.height}, {duration:.1f} s of video, seconds of the processor")
    for name, seconds in {"first look": spent["first look"], **halves}.items():
        print(f"{name:<28}{seconds:>8.2f}")
    print(f"{cost.pictures_detected} pictures through the detector, {cost.pictures_classified} through the classifier")
    one, two = spent["first look"] + sum(halves.values()), spent["first look"] + max(halves.values())
    print(f"{'x real time, one core':<28}{duration / one:>8.2f}\n{'x real time, two cores':<28}{duration / two:>8.2f}")


if __name__ == "__main__":
    main()
