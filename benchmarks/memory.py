"""Peak memory of `lgvsc run` for a short and a long video, each in a process of its own.

    python benchmarks/memory.py [--short-s 30] [--long-s 1800] [--every 25] [--scheme skem-dsa]

The clip is the sample clip at 256x256, 24 fps, repeated. Peak resident memory is what the operating system counted for
the finished process. Metrics are taken on every 25th frame, which changes the time and not the memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lgvsc.experiments.clips.sample_clip import make_sample_clip


def peak_mib(video: Path, output: Path, every: int, scheme: str) -> tuple[float, float]:
    """Peak resident memory in MiB and wall seconds of one run."""
    command = [sys.executable, "-m", "lgvsc.cli.main", "run", str(video), "-o", str(output), "--force", "--quiet"]
    command += ["--scheme", scheme, "--set", f"link.metrics_every={every}"]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"lgvsc run ended with status {os.waitstatus_to_exitcode(status)}")
    unit = 1024 if sys.platform != "darwin" else 1024**2
    return usage.ru_maxrss / unit, time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short-s", type=float, default=30.0)
    parser.add_argument("--long-s", type=float, default=1800.0)
    parser.add_argument("--every", type=int, default=25)
    parser.add_argument("--scheme", default="skem-dsa")
    arguments = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (arguments.short_s, arguments.long_s):
            video = Path(folder) / f"{seconds:g}.mp4"
            make_sample_clip(video, duration_s=seconds)
            peak, wall_s = peak_mib(video, Path(folder) / "out.mp4", arguments.every, arguments.scheme)
            peaks.append(peak)
            print(f"{seconds:7g} s of video: {peak:7.1f} MiB, {wall_s:7.1f} s", flush=True)
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
