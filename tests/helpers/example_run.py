"""A run as the link reports it, with a lost caption, a lost keyframe and a hostile caption, for tests of the page."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import Video, VideoFormat

HOSTILE = "a </script><script>alert(1)</script> & \"b\" <img src=x onerror='x'> \u202ereversed\x07 \x1b[31m"
STARTS = (0, 31, 66, 87, 132, 154, 180)
FRAMES, FPS = 240, 24.0
CAPTIONS = (
    "A red cup on a saucer on a brown wooden table, warm light. Static camera.",
    "A red cup on a saucer, a small grey disc enters at the bottom right. Camera zooms out slowly.",
    "A white rocket under a dark blue sky, orange lights along the bottom. Camera tilts down.",
    HOSTILE,
    "A cat's face, brown, large in the middle. Camera zooms out.",
    "A cat's face and a red cup at the bottom right.",
    "A red motorcycle in a grey garage. Camera pans right.",
)


def report() -> dict[str, Any]:
    """The JSON of ``lgvsc run --report``, as plain Python."""
    stops = (*STARTS[1:], FRAMES)
    rows = []
    for i, (start, stop) in enumerate(zip(STARTS, stops, strict=True)):
        status = {"control": "ok", "caption": "ok", "side": "ok", "keyframe": "ok", "closing_keyframe": "absent"}
        status |= {"caption": "lost"} if i == 2 else {"keyframe": "lost"} if i == 4 else {}
        status |= {"closing_keyframe": "ok"} if i == len(STARTS) - 1 else {}
        rows.append(
            {
                "start": start,
                "stop": stop,
                "caption": CAPTIONS[i],
                "caption_received": None if i == 2 else CAPTIONS[i],
                "divergence": None if i == 0 else 0.4 + 0.08 * i,
                "keyframe_symbols": 3500 + 40 * i,
                "symbols": 4300 + 41 * i,
                "motion": {"score": 4.2 + i, "camera": "zoom out", "pan": 0.01, "tilt": 0.0, "zoom": -0.1},
                "cut": start if start in (66, 132, 180) else None,
                "status": status,
                "metrics": {"lpips": 0.3 + 0.01 * i, "dists": None if i == 3 else 0.2},
            }
        )
    curve = []
    for frame in sorted(set(range(5, FRAMES, 5)) - set(STARTS)):
        since = frame - max(s for s in STARTS if s < frame)
        curve.append([frame, round(-0.95 + 0.02 * since + 0.05 * math.sin(frame), 4)])
    curve += [[s, 0.4 + 0.08 * i] for i, s in enumerate(STARTS) if i]
    runs = []
    for i, (start, stop) in enumerate(zip(STARTS, stops, strict=True)):
        runs += [[start, start + 1, "concealed" if i == 4 else "received"]]
        runs += [[start + 1, stop, "concealed" if i == 4 else "generated"]]
    runs[-1:] = [[181, 239, "generated"], [239, 240, "received"]]
    return {
        "version": 1,
        "scheme": "skem-dsa",
        "preset": "compact",
        "seed": 0,
        "objective": "look",
        "look": 0.5,
        "command": f"lgvsc run {HOSTILE!r} --snr-db 10",
        "channel": {"kind": "awgn", "snr_db": 10.0, "snr_def": "esn0"},
        "source": {"path": "clip.mp4", "sha256": "3f" * 32, "frames": FRAMES, "height": 256, "width": 256, "fps": FPS},
        "output": "clip.rebuilt.mp4",
        "symbols": {
            "control": 812, "captions": 3904, "side": 388, "keyframes": 29160, "sketches": 0, "video": 0,
            "total": 34264,
        },
        "cbr": 34264 / (3 * 256 * 256 * FRAMES),
        "symbols_per_s": 3426.4,
        "kbit_per_s": 9.71,
        "airtime_s": 3.4264,
        "symbol_rate_hz": 10000.0,
        "closing_keyframe_symbols": 3620,
        "segments": rows,
        "keyframes": [*STARTS, FRAMES - 1],
        "divergence_curve": sorted(curve),
        "threshold": 0.35,
        "choices": ["threshold 0.35 kept", "keyframes at quality 22, 192 pixels wide", "captions up to 120 bytes"],
        "metrics": {
            "psnr_db": 24.31, "ssim": 0.7124, "ms_ssim": 0.8333, "frames": 240, "identical_frames": 0, "every": 1,
            "absent": {},
        },
        "provenance": runs,
        "damage": {"control": 0, "caption": 1, "side": 0, "keyframe": 1, "closing_keyframe": 0, "erased_symbols": 0},
        "timing_s": {"source": 0.41, "semantics": 3.52, "coding": 1.04, "channel": 0.05, "world": 1.9, "total": 8.5},
        "models": {
            "captioner": {"name": "compact-captioner", "revision": None, "sha256": None},
            "judge": {"name": "compact-judge", "revision": None, "sha256": "a1" * 32},
        },
        "config": {"preset": "compact", "keyframes": {"threshold": 0.35}},
        "environment": {"python": "3.11.7", "torch": "2.13.0"},
    }  # fmt: skip


@dataclass
class ExampleRecord:
    """What the page asks of a record."""

    sent_segments: list[Segment] = field(default_factory=list)
    received_segments: dict[int, Segment] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        return report()


def record(pictures: dict[int, np.ndarray] | None = None) -> ExampleRecord:
    """A record whose keyframes are the given pictures, or small grey ones."""
    found = ExampleRecord()
    video = VideoFormat(256, 256, Fraction(24), FRAMES)
    for i, (start, stop) in enumerate(zip(STARTS, (*STARTS[1:], FRAMES), strict=True)):
        grey = np.full((48, 48, 3), 20 + 30 * i, np.uint8)
        picture = pictures[start] if pictures else grey
        closing = (pictures[FRAMES - 1] if pictures else grey) if stop == FRAMES else None
        last = stop == FRAMES
        sent = Segment(video=video, start=start, stop=stop, keyframe=picture, motion=Motion(), last=last)
        sent = sent.changed(closing_keyframe=closing)
        found.sent_segments.append(sent)
        found.received_segments[start] = sent.changed(keyframe=None if i == 4 else picture)
    return found


def video(frames: int = FRAMES, size: int = 64) -> Video:
    """A grey wedge that moves."""
    wedge = np.tile(np.linspace(0, 255, size, dtype=np.uint8)[None, :, None], (size, 1, 3))
    return Video(np.stack([np.roll(wedge, k, axis=1) for k in range(frames)]), Fraction(24))
