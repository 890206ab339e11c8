"""Speed of the whole link: frames per second of each stage, against the video's own rate.

    python benchmarks/link.py [VIDEO] [--snr-db 10]

Without VIDEO it makes the sample clip (256x256, 24 fps). Stages are timed in one run, each by the time that it holds
the processor itself; the run is repeated once first, so imports and the building of codes are not in the figures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from lgvsc import link
from lgvsc.config import load_config
from lgvsc.experiments.clips.sample_clip import make_sample_clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--scheme", default="skem-dsa")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = arguments.video or Path(folder) / "clip.mp4"
        if arguments.video is None:
            make_sample_clip(video)
        config = load_config(scheme=arguments.scheme, settings={"channel.snr_db": arguments.snr_db})
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


if __name__ == "__main__":
    main()
