"""H.266/VVC by the ffmpeg of the ``bench`` extra, as PyAV's wheel decodes VVC but has no encoder for it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import lru_cache

import av

from lgvsc.errors import MissingResourceError

INSTALL = "pip install 'lgvsc[bench]'"
TIMEOUT_S = 1800.0


def vvc_stream(frames: Sequence[av.VideoFrame], qp: int, preset: str) -> bytes:
    """Pictures as a VVC byte stream: 10 bits inside, one intra frame, constant QP but for the layers of the hierarchy.

    Args:
        frames: 8-bit 4:2:0, all of one even size.
        qp: 0 to 63. libvvenc knows no CRF, and its perceptual adaptation, which costs PSNR and SSIM, is off.
        preset: faster, fast, medium, slow or slower.

    Raises:
        MissingResourceError: There is no ffmpeg with libvvenc, or it fails.
    """
    command = [program(), "-hide_banner", "-loglevel", "error", "-nostdin"]
    command += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{frames[0].width}x{frames[0].height}", "-r", "25"]
    command += ["-i", "pipe:0", "-pix_fmt", "yuv420p10le", "-threads", "1", "-c:v", "libvvenc", "-preset", preset]
    command += ["-qp", str(qp), "-qpa", "0", "-g", "1024", "-f", "vvc", "pipe:1"]
    pictures = b"".join(frame.to_ndarray().tobytes() for frame in frames)
    try:
        done = subprocess.run(command, input=pictures, capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingResourceError(f"VVC could not be coded: {type(error).__name__}") from error
    if done.returncode or not done.stdout:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        raise MissingResourceError(
            f"VVC could not be coded, ffmpeg says: {last[0]}; {INSTALL} brings one with libvvenc"
        )
    return done.stdout


@lru_cache(maxsize=1)
def program() -> str:
    """Path of the ffmpeg.

    Raises:
        MissingResourceError: The extra is not installed, or has nothing for this machine.
    """
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise MissingResourceError(f"vvc-ldpc needs the ffmpeg of the bench extra: {INSTALL}") from error
