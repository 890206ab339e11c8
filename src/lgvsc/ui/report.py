"""The report as one self-contained HTML page: it opens from a disk, offline, in any browser, for years to come."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from lgvsc.coding.frames.structure import structure_frames
from lgvsc.core.files import atomic_write
from lgvsc.core.message import Segment
from lgvsc.core.video import Pixels
from lgvsc.ui import accounts, sections
from lgvsc.ui.clips import MAX_SECONDS, Clip, browser_clip
from lgvsc.ui.text import clean, esc

MAX_LAYERS = 100  # structure layers of which frames are shown
SMALL_WIDTH = 160  # of those frames


class Reportable(Protocol):
    """What a run leaves behind, as far as the page needs it."""

    sent_segments: list[Segment]
    received_segments: dict[int, Segment]

    def report(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Rival:
    """What another scheme made of the same source, to look at beside it."""

    video: Path
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Pictures and video for the page; anything may be missing.

    Attributes:
        source, rebuilt: Clips that play side by side.
        rival: What another scheme made of the source, with its report.
        pictures: Keyframe as sent and as received, by frame index; ``None`` where there is none.
        sketches: The same of sketches.
        structure: A few frames of each structure layer as received, with their indices, by the segment's start.
    """

    source: Clip | None = None
    rebuilt: Clip | None = None
    rival: tuple[Clip, Mapping[str, Any]] | None = None
    pictures: Mapping[int, tuple[Pixels | None, Pixels | None]] = field(default_factory=dict)
    sketches: Mapping[int, tuple[Pixels | None, Pixels | None]] = field(default_factory=dict)
    structure: Mapping[int, Sequence[tuple[int, Pixels]]] = field(default_factory=dict)


def write_html(
    record: Reportable,
    source_video: Path | None,
    rebuilt_video: Path | None,
    path: Path,
    *,
    max_seconds: float = MAX_SECONDS,
    rival: Rival | None = None,
) -> None:
    """Write the page of one run.

    Args:
        record: What :func:`lgvsc.link.run` returned.
        source_video, rebuilt_video: Files to show side by side, at most ``max_seconds`` of each.
        path: Where the page goes. It appears when it is whole.
        rival: Another scheme's video, played beside the two.

    Raises:
        InputError: One of the files is no video.
    """
    material = Material(
        source=browser_clip(source_video, max_seconds=max_seconds) if source_video else None,
        rebuilt=browser_clip(rebuilt_video, max_seconds=max_seconds) if rebuilt_video else None,
        rival=(browser_clip(rival.video, max_seconds=max_seconds), rival.report) if rival else None,
        pictures=keyframe_pictures(record.sent_segments, record.received_segments),
        sketches=sketch_pictures(record.sent_segments, record.received_segments),
        structure=structure_pictures(record.received_segments),
    )
    page = render(record.report(), material)
    with atomic_write(path) as file:
        file.write(page.encode())


def render(report: Mapping[str, Any], material: Material | None = None) -> str:
    """The page of a report (design: the JSON of ``lgvsc run --report``). Missing values are shown as missing."""
    material = material or Material()
    source = report.get("source") or {}
    title = f"{clean(source.get('path', 'video'), 80)} · {clean(report.get('scheme', ''))} · lgvsc"
    body = [
        sections.header(report),
        sections.player(report, material.source, material.rebuilt, material.rival),
        sections.timeline(report),
        sections.segments(report, material.pictures, material.sketches, material.structure),
        accounts.symbols(report),
        accounts.quality(report),
        accounts.timing(report),
        accounts.cost(report),
        accounts.provenance_of_numbers(report),
        accounts.citation(),
    ]
    return document(title, body, report, material)


def document(title: str, body: Sequence[str], report: Mapping[str, Any], material: Material) -> str:
    """Sections as a whole page, with its style, its script and the videos that the script plays."""
    script = asset("report.js")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return whole_page(
        title,
        body,
        allowed=f"media-src blob:; script-src 'sha256-{allowed}'; ",
        shape=shape_of(report.get("source") or {}),
        behind=f"{island(report, material)}<script>{script}</script>\n",
    )


def whole_page(
    title: str, body: Sequence[str], *, style: str = "", allowed: str = "", shape: str = "", behind: str = ""
) -> str:
    """A self-contained page: nothing is fetched and no script runs but one that is allowed, whatever a caption says.

    Args:
        title: Of the window.
        body: Sections, as HTML.
        style: Beside that of every page.
        allowed: More for the content security policy, to which the browser holds the page.
        shape: Attributes of the body.
        behind: HTML behind the sections.
    """
    shown = "\n".join(part for part in body if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; {allowed}'
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{esc(title)}</title>\n<style>\n{asset('report.css')}{style}</style>\n</head>\n<body{shape}>\n<main>\n"
        f"{shown}\n</main>\n{behind}</body>\n</html>\n"
    )


def keyframe_pictures(
    sent: Sequence[Segment], received: Mapping[int, Segment]
) -> dict[int, tuple[Pixels | None, Pixels | None]]:
    """Each keyframe as sent and as received, by frame index, as far as the pictures were kept."""
    pictures: dict[int, tuple[Pixels | None, Pixels | None]] = {}
    for segment in sent:
        got = received.get(segment.start)
        pictures[segment.start] = shown_picture(segment.keyframe), shown_picture(got.keyframe if got else None)
        if segment.closing_keyframe is not None:
            closing = shown_picture(segment.closing_keyframe), shown_picture(got.closing_keyframe if got else None)
            pictures[segment.stop - 1] = closing
    return pictures


def sketch_pictures(
    sent: Sequence[Segment], received: Mapping[int, Segment]
) -> dict[int, tuple[Pixels | None, Pixels | None]]:
    """Each sketch as drawn and as received, by frame index, as far as they were kept."""
    pictures: dict[int, tuple[Pixels | None, Pixels | None]] = {}
    for segment in sent:
        segment_received = received.get(segment.start)
        got = dict(segment_received.sketches) if segment_received else {}
        for index, sketch in segment.sketches:
            pictures[index] = shown_picture(sketch), shown_picture(got.get(index))
    return pictures


def structure_pictures(received: Mapping[int, Segment]) -> dict[int, list[tuple[int, Pixels]]]:
    """A few frames of each structure layer as received, of the width of a thumbnail, by the segment's start."""
    pictures: dict[int, list[tuple[int, Pixels]]] = {}
    for start, segment in list(received.items())[:MAX_LAYERS]:
        if segment.structure is None:
            continue
        video = segment.video
        small = min(SMALL_WIDTH, video.width)
        height = max(1, round(video.height * small / video.width))
        frames = structure_frames(segment.structure, height, small, len(segment), of=(video.height, video.width))
        wanted = sorted({round(place * (len(frames) - 1) / 3) for place in range(4)}) if frames else []
        pictures[start] = [(start + frames[at][0], frames[at][1]) for at in wanted]
    return pictures


def shown_picture(picture: Pixels | None) -> Pixels | None:
    """The picture, unless only its presence was kept."""
    return picture if picture is not None and picture.shape[1] > 1 else None


def island(report: Mapping[str, Any], material: Material) -> str:
    """What the page's script works with: a few numbers, the captions and the two videos."""
    source = report.get("source") or {}
    clips = {"source": material.source, "rebuilt": material.rebuilt}
    clips |= {"rival": material.rival[0]} if material.rival else {}
    data = {
        "fps": source.get("fps") or 25,
        "frames": source.get("frames") or 0,
        "shown": min((clip.frames for clip in clips.values() if clip), default=0),
        "provenance": [list(run) for run in report.get("provenance") or []],
        "segments": [
            [s.get("start", 0), s.get("stop", 0), caption(s.get("caption")), caption(s.get("caption_received"))]
            for s in report.get("segments") or []
        ],
    }
    # "<" must not appear in it, or a caption could end the element early.
    text = json.dumps(data, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    parts = [f'<script type="application/json" id="run-data">{text}</script>\n']
    for name, clip in clips.items():
        if clip:
            encoded = base64.b64encode(clip.data).decode("ascii")
            parts.append(f'<script type="text/plain" id="{name}-data">{encoded}</script>\n')
    return "".join(parts)


def shape_of(source: Mapping[str, Any]) -> str:
    """The video's shape for places where a picture is missing."""
    width, height = source.get("width"), source.get("height")
    return f" style='--shape:{width}/{height}'" if isinstance(width, int) and isinstance(height, int) else ""


def caption(value: object) -> str | None:
    return None if value is None else clean(value)


def asset(name: str) -> str:
    return (files("lgvsc.ui") / name).read_text("utf-8")
