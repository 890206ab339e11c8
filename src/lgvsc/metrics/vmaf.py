"""VMAF, by the ffmpeg that comes with the ``bench`` extra; its models are inside, nothing is fetched."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from lgvsc.core.video import VideoReader
from lgvsc.errors import InputError

MODEL = "vmaf_v0.6.1"
INSTALL = "pip install 'lgvsc[bench]'"
# Frames are paired by number, not by time stamp, as the rebuilt file has a constant rate and the source may not.
GRAPH = (
    "[0:v]crop={}:{}:0:0:exact=1,setpts=N/(25*TB),format=yuv420p[r];[1:v]setpts=N/(25*TB),format=yuv420p[s];"
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
    source_path: Path,
    rebuilt_path: Path,
    *,
    max_side: int = 0,
    model: str = MODEL,
    threads: int = 1,
    timeout_s: float = 3600.0,
) -> Vmaf:
    """Score one file against the other. Both must have the same size and, for a fair score, frame count.

    Where reading changes the source's pictures, ffmpeg gets them as they were read.

    Args:
        max_side: The source is read so, see :class:`~lgvsc.core.video.VideoReader`.
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
    with VideoReader(source_path, max_side=max_side) as reader:
        video, changed = reader.format, reader.changed
        command = [program, "-hide_banner", "-nostdin", "-protocol_whitelist", "file"]
        # "file:" keeps a name that starts with a dash or holds a colon from being read as something else.
        command += ["-i", f"file:{Path(rebuilt_path)}"]
        if changed:
            command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{video.width}x{video.height}", "-i", "pipe:0"]
        else:
            command += ["-protocol_whitelist", "file", "-i", f"file:{Path(source_path)}"]
        command += ["-lavfi", GRAPH.format(video.width, video.height, model, threads)]
        command += ["-fps_mode", "passthrough", "-f", "null", "-"]
        try:
            done = _run(command, reader if changed else None, timeout_s)
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


def _run(command: list[str], pictures: VideoReader | None, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg, with raw pictures on its standard input where there are any."""
    if pictures is None:
        return subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        words: list[bytes] = []
        assert process.stdin is not None and process.stderr is not None
        listener = Thread(target=lambda stderr: words.append(stderr.read()), args=(process.stderr,))
        listener.start()
        with suppress(BrokenPipeError):  # ffmpeg says why it stopped
            for frame in pictures:
                process.stdin.write(frame.pixels.tobytes())
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            listener.join()
    return subprocess.CompletedProcess(command, process.returncode, b"", b"".join(words))
