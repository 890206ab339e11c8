"""What a receiver can show by itself, as a page: its video, and of each segment what arrived. The source is unknown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lgvsc.config import Config
from lgvsc.core.files import atomic_write
from lgvsc.core.interfaces import Rebuilt
from lgvsc.core.message import Segment, SemanticMessage
from lgvsc.core.provenance import ProvenanceRuns
from lgvsc.link import Arrived
from lgvsc.record import noted
from lgvsc.ui import sections
from lgvsc.ui.clips import browser_clip
from lgvsc.ui.report import Material, document, keyframe_pictures, sketch_pictures, structure_pictures
from lgvsc.ui.text import DASH, esc, number, seconds

MAX_PICTURES = 100  # segments of which pictures are kept


@dataclass
class ReceivedVideo:
    """Collects what :func:`lgvsc.link.receive` tells while it makes a video."""

    config: Config
    segments: dict[int, Segment] = field(default_factory=dict)
    provenance: ProvenanceRuns = field(default_factory=ProvenanceRuns)

    def segment(self, segment: Segment) -> None:
        """Note a segment as it arrived."""
        self.segments[segment.start] = noted(segment, keep_pictures=len(self.segments) < MAX_PICTURES)

    def piece(self, piece: Rebuilt) -> None:
        """Note where frames came from."""
        self.provenance.add(piece)

    def report(self) -> dict[str, Any]:
        """What is known here, under the keys of the report; what only a transmitter knows is not in it."""
        rows = [self.segments[start] for start in sorted(self.segments)]
        video = rows[0].video if rows else None
        lost = Counter(part for row in rows for part, status in row.status.items() if status == "lost")
        runs = self.provenance.runs
        return {
            "sides": ("received",),
            "scheme": self.config.scheme,
            "preset": self.config.preset,
            "seed": self.config.seed,
            "look": self.config.world.look,
            "source": {
                "frames": runs[-1][1] if runs else 0,
                "width": video.width if video else None,
                "height": video.height if video else None,
                "fps": float(video.fps) if video else None,
            },
            "segments": [
                {
                    "start": row.start,
                    "stop": row.stop,
                    "caption_received": row.caption,
                    "status": dict(row.status),
                    "sketches": [index for index, _ in row.sketches],
                    "cut": row.cut,
                }
                for row in rows
            ],
            "keyframes": SemanticMessage(tuple(rows)).keyframe_indices,
            "provenance": runs,
            "damage": {"control": 0} | dict(lost),
        }


def write_received(heard: ReceivedVideo, arrived: Arrived, video: Path, path: Path) -> None:
    """Write the page of what was received.

    Args:
        heard: What was told on the way.
        arrived: What :func:`lgvsc.link.receive` returned.
        video: The rebuilt video.
        path: Where the page goes.
    """
    report = heard.report()
    received = list(heard.segments.values())
    material = Material(
        rebuilt=browser_clip(video),
        pictures=keyframe_pictures(received, heard.segments),
        sketches=sketch_pictures(received, heard.segments),
        structure=structure_pictures(heard.segments),
    )
    body = [
        header(report, arrived),
        sections.player(report, None, material.rebuilt),
        sections.timeline(report),
        sections.segments(report, material.pictures, material.sketches, material.structure),
    ]
    with atomic_write(path) as file:
        file.write(document("received · lgvsc", body, report, material).encode())


def header(report: dict[str, Any], arrived: Arrived) -> str:
    """What arrived, in a sentence or two."""
    source = report["source"]
    fps, frames = source["fps"], source["frames"]
    size = f"{esc(source['width'] or DASH)}×{esc(source['height'] or DASH)}"
    length = seconds(frames / fps) if fps else DASH
    words = f"{length} of video ({size} at {number(fps, 2)} fps) were made from what arrived"
    notes = "".join(f"<p class='note'>{esc(line)}</p>" for line in arrived.lines())
    return (
        f"<header><p class='kicker'>lgvsc · receiver · scheme {esc(report['scheme'])} · preset {esc(report['preset'])}"
        f"{sections.aims(report)}</p><h1>Received</h1><p class='lead'>{words}. Nothing else is known here: neither the "
        f"source nor what was sent.</p>{notes}{sections.damage(report)}</header>"
    )
