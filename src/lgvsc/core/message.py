"""The semantic message: what is said about a video, in words, pictures and a few numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

from lgvsc.core.video import Pixels, VideoFormat

Camera: TypeAlias = Literal["static", "pan right", "pan left", "tilt up", "tilt down", "zoom in", "zoom out"]

CAMERAS: tuple[Camera, ...] = get_args(Camera)
MAX_CAPTION_BYTES = 4096
LOOKS: tuple[float | None, ...] = (0.0, None, 0.5, 1.0)
"""Looks that a transmitter can advise, by number: faithful, small frames as decoded, half way, vivid."""
COLOUR_CELLS = 8  # on either side of a colour layout
PARTS = (
    "control",
    "caption",
    "side",
    "keyframe",
    "closing_keyframe",
    "key_sketch",
    "other_sketches",
    "video",
    "structure",
)

PartStatus: TypeAlias = Literal["ok", "lost", "absent"]  # absent: the transmitter sent none


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Side information of a segment: how much moves, and what the camera does.

    Attributes:
        score: Mean absolute optical flow between pictures a third of a second apart, in pixels of a
            320x576 picture, the scale on which Open-Sora reads its motion score.
        camera: One of the seven words that Open-Sora knows.
        pan: How far the scene moves to the right over the whole segment, in picture widths.
        tilt: How far the scene moves downwards over the whole segment, in picture heights.
        zoom: Natural logarithm of how much the scene grows over the whole segment.
    """

    score: float = 0.0
    camera: Camera = "static"
    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureLayer:
    """Small frames of a segment, few a second, as a standard codec coded them: what is where, and how it moves.

    Attributes:
        codec: Number of the standard, see :data:`lgvsc.coding.frames.elementary.CODECS`.
        eighths: Of the video's height and width that are coded, 1 to 8.
        step: One frame in so many is coded.
        quantiser: CRF or QP, rounded, 0 to 127.
        payload: The coded frames. What arrives may be their beginning only.
        headers_sent: The payload begins with the codec's parameter sets; else the receiver writes them itself ...
        header_check: ... and compares them with this sum of 8 bits.
        look: How the transmitter advises to show it, a place in :data:`LOOKS`.
    """

    codec: int
    eighths: int
    step: int
    quantiser: int
    payload: bytes
    headers_sent: bool = False
    header_check: int = 0
    look: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """Frames ``[start, stop)`` of a video, described. The same type on both sides of the channel.

    Attributes:
        video: Size, rate and, where known, length of the video that the segment is part of.
        start, stop: Half-open range of frames. The keyframe is frame ``start``.
        caption: The segment in words. ``None``: lost on the way, or never sent.
        keyframe: Frame ``start``. ``None``: lost, or never sent.
        closing_keyframe: The video's last frame, in the last segment only (unless it is ``start`` itself).
        motion: Side information. ``None``: lost, or never sent.
        colours: Side information: mean colours of the segment in 8 x 8 cells of the picture, uint8 RGB ``(8, 8, 3)``.
            ``None``: lost, or never sent.
        sketches: Drawings of single frames, each with its index in the video, rising from ``start``: uint8 ``(H, W)``,
            255 on a contour, of the video's size.
        structure: Small frames of the segment. ``None``: lost, or never sent.
        cut: Index of the frame that begins a new shot, in ``(start, stop]``; no frame on one side of it
            says anything about a frame on the other. ``None``: no hard cut.
        last: Whether the video ends with this segment.
        divergence: ``P(No) - P(Yes)`` that opened the segment. Known to the transmitter only.
        status: What became of each part on the way.
        erased_symbols: Received symbols that were no finite numbers and count as erasures.
    """

    video: VideoFormat
    start: int
    stop: int
    caption: str | None = None
    keyframe: Pixels | None = None
    closing_keyframe: Pixels | None = None
    motion: Motion | None = None
    colours: Pixels | None = None
    sketches: tuple[tuple[int, Pixels], ...] = ()
    structure: StructureLayer | None = None
    cut: int | None = None
    last: bool = False
    divergence: float | None = None
    status: dict[str, PartStatus] = field(default_factory=dict)
    erased_symbols: int = 0

    def __len__(self) -> int:
        return self.stop - self.start

    def changed(self, **changes: object) -> Segment:
        """A copy with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class SemanticMessage:
    """A whole video as segments, in order."""

    segments: tuple[Segment, ...]

    @property
    def video(self) -> VideoFormat:
        return self.segments[-1].video

    @property
    def keyframe_indices(self) -> list[int]:
        """Frames transmitted as pictures, the closing one included."""
        starts = [s.start for s in self.segments if s.keyframe is not None]
        closing = [s.stop - 1 for s in self.segments if s.closing_keyframe is not None]
        return starts + closing
