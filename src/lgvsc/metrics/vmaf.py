"""VMAF, by the ffmpeg that comes with the ``bench`` extra; its models are inside, nothing is fetched."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lgvsc.errors import InputError

MODEL = "vmaf_v0.6.1"
INSTALL = "pip install 'lgvsc[bench]'"
# Frames are paired by number, not by time stamp, as the rebuilt file has a constant rate and the source may not.
GRAPH = (
    "[0:v]setpts=N/(25*TB),format=yuv420p[r];[1:v]setpts=N/(25*TB),format=yuv420p[s];"
    "[r][s]libvmaf=model=version={}:n_threads={}"
)
SCORE = re.compile(r"VMAF score: ([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Vmaf:
    """VMAF (0 to 100, larger is better) averaged over frames, or why there is none.

    The default model of libvmaf was trained on 1080p at three picture heights; on small pictures use it to compare, not
    as an absolute grade.
    """

    score: float | None
    reason: str = ""


def vmaf(
    source_path: Path, rebuilt_path: Path, *, model: str = MODEL, threads: int = 1, timeout_s: float = 3600.0
) -> Vmaf:
    """Score one file against the other. Both must have the same size and, for a fair score, frame count.

    Args:
        model: ``vmaf_v0.6.1``, or ``vmaf_v0.6.1neg``, which gives nothing for enhancement beyond the source: networks
            trained on such measures gain falsely in the plain one.

    Raises:
        InputError: One of the files does not exist.

    Source: libvmaf's built-in models, run by ffmpeg.
    """
    for path in (source_path, rebuilt_path):
        if not Path(path).is_file():
            raise InputError(f"{path} is not a file; VMAF compares two video files")
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError:
        return Vmaf(None, f"needs the bench extra: {INSTALL}")
    try:
        program = get_ffmpeg_exe()
    except RuntimeError:
        return Vmaf(None, f"imageio-ffmpeg has no ffmpeg for this machine; {INSTALL} brings one for the common ones")
    command = [program, "-hide_banner", "-nostdin", "-protocol_whitelist", "file"]
    # "file:" keeps a name that starts with a dash or holds a colon from being read as something else.
    command += ["-i", f"file:{Path(rebuilt_path)}", "-protocol_whitelist", "file", "-i", f"file:{Path(source_path)}"]
    command += ["-lavfi", GRAPH.format(model, threads), "-fps_mode", "passthrough", "-f", "null", "-"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Vmaf(None, f"ffmpeg did not finish: {type(error).__name__}")
    words = done.stderr.decode("utf-8", "replace")
    found = SCORE.search(words)
    if done.returncode == 0 and found:
        return Vmaf(float(found.group(1)))
    if "No such filter: 'libvmaf'" in words:
        return Vmaf(None, "this ffmpeg was built without libvmaf")
    last = words.strip().splitlines()[-1:] or ["no message"]
    return Vmaf(None, f"ffmpeg failed: {last[0].strip()}")
