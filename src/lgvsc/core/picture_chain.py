"""From a decoded frame to the picture that people see: deinterlaced, in SDR, square pixels, upright, 8-bit RGB.

The work is FFmpeg's: one filter graph for each kind of frame that a stream holds. Here is only which filters, and the
words for what they change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count, pairwise
from typing import Any, TypeAlias

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc
from numpy.typing import NDArray

from lgvsc.core.orientation import Filters, display_matrix, in_words, swaps_sides, turning
from lgvsc.errors import InputError

MAX_PIXELS = 16_000_000  # a frame above this is refused before it is allocated
MAX_PIXELS_TO_SHRINK = 40_000_000  # where it is made smaller on reading; 8K has 33
MAX_ASPECT = 100  # longer side over shorter; flow and captions look at pictures of a settled short side
HD_LINES = 720  # from here up, colours that say nothing of themselves are BT.709, as players take them
SCALING = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
Pixels: TypeAlias = NDArray[np.uint8]  # one RGB picture, (H, W, 3)

MATRICES = {  # of H.273, by swscale's names
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
}
HDR = {int(ColorTrc.ARIB_STD_B67): ("HLG", "arib-std-b67"), int(ColorTrc.SMPTE2084): ("PQ", "smpte2084")}
WIDE = {  # primaries that look pale where a screen takes them for BT.709
    int(ColorPrimaries.BT2020): ("BT.2020", "bt2020"),
    int(ColorPrimaries.SMPTE431): ("DCI-P3", "smpte431"),
    int(ColorPrimaries.SMPTE432): ("Display P3", "smpte432"),
}


@dataclass(frozen=True, slots=True)
class PictureKind:
    """All that a filter graph depends on; frames of one kind share a graph."""

    format: str
    width: int
    height: int
    matrix: int
    full_range: bool
    transfer: int
    primaries: int
    interlaced: bool
    display: tuple[int, ...]

    @classmethod
    def of(cls, frame: av.VideoFrame, interlaced: bool) -> PictureKind:
        """Args:
        interlaced: Whether frames of this stream have been interlaced; then all pass the filter, which looks at each.
        """
        return cls(
            format=frame.format.name,
            width=frame.width,
            height=frame.height,
            matrix=int(frame.colorspace),
            full_range=frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj"),
            transfer=int(frame.color_trc),
            primaries=int(frame.color_primaries),
            interlaced=interlaced and frame.width >= 3 and frame.height >= 4,
            display=display_matrix(frame),
        )


Recipe: TypeAlias = tuple[PictureKind, tuple[tuple[str, str], ...]]
MAX_IDLE = 4
_numbers = count()  # of frames in graphs, which want them to rise
_idle: dict[Recipe | None, list[av.filter.Graph]] = {}  # graphs that hold no frame; those for HDR take seconds to make


@dataclass
class PictureChain:
    """Makes shown pictures of decoded frames, in their order.

    Attributes:
        pixel_shape: Width over height of a pixel, as the file says it.
        max_side: The longer side of what comes out at most; 0 for no limit.
        true_size: Width and height to cut a frame of about this size to, from its upper left corner.
        notes: A sentence for everything that was changed so far.
    """

    pixel_shape: Fraction = Fraction(1)
    max_side: int = 0
    true_size: tuple[int, int] | None = None
    size: tuple[int, int] | None = None  # width, height of all that comes out, turned
    display: tuple[int, ...] = ()  # in place of the frames' own
    notes: list[str] = field(default_factory=list)
    _interlaced: bool = False
    _kind: PictureKind | None = None
    _graph: av.filter.Graph | None = None
    _times: deque[float | None] = field(default_factory=deque)
    _stored: tuple[int, int] | None = None
    _recipe: Recipe | None = None

    def pictures(self, frame: av.VideoFrame) -> Iterator[tuple[float | None, Pixels]]:
        """What is ready after one more frame: its time in seconds, and RGB ``(H, W, 3)``."""
        time = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        if frame.interlaced_frame and not self._interlaced:
            self._interlaced = True
            self.note("interlaced pictures are deinterlaced (FFmpeg's bwdif); others are left as they are")
        kind = PictureKind.of(frame, self._interlaced)
        if self.display:
            kind = replace(kind, display=self.display)
        if kind != self._kind:
            yield from self.rest()
            self._start(kind, frame)
        assert self._graph is not None
        self._times.append(time)
        frame.pts, frame.time_base = next(_numbers), Fraction(1, 25)
        self._graph.push(frame)
        yield from self._pull()

    def look(self, frame: av.VideoFrame) -> None:
        """Settle size and notes by the first frame."""
        for _ in self.pictures(frame):
            pass
        for _ in self.rest():
            pass

    def rest(self) -> Iterator[tuple[float | None, Pixels]]:
        """What a deinterlacer still holds at the end."""
        if self._graph is None:
            return
        if self._kind is not None and self._kind.interlaced:
            self._graph.push(None)
            yield from self._pull()
        else:
            _idle.setdefault(self._recipe, []).append(self._graph)
        self._graph = self._kind = None

    def note(self, sentence: str) -> None:
        """Say something once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _pull(self) -> Iterator[tuple[float | None, Pixels]]:
        assert self._graph is not None
        while True:
            try:
                shown = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(shown, av.VideoFrame)
            pixels = np.asarray(shown.to_ndarray(), dtype=np.uint8)
            if pixels.shape[2] == 4:
                pixels = self._over_black(pixels)
            time = self._times.popleft() if self._times else None
            yield time, np.ascontiguousarray(pixels)

    def _over_black(self, pixels: NDArray[np.uint8]) -> Pixels:
        """RGB of RGBA; that something is transparent is said where it is."""
        alpha = pixels[:, :, 3:].astype(np.uint16)
        if bool((alpha == 255).all()):
            return pixels[:, :, :3]
        self.note("transparent parts are shown over black")
        return ((pixels[:, :, :3] * alpha + 127) // 255).astype(np.uint8)

    def _start(self, kind: PictureKind, frame: av.VideoFrame) -> None:
        turn = turning(kind.display)
        if turn:
            self.note(f"the picture is {in_words(turn)}, as the file asks")
        width, height = self._size(kind, turn)
        cut = self._cut(kind)
        colours, transparent = self._colours(kind), has_alpha(kind.format)
        chain: Filters = [("bwdif", "mode=send_frame:deint=interlaced")] if kind.interlaced else []
        chain += [("crop", f"{cut[0]}:{cut[1]}:0:0:exact=1")] if cut != (kind.width, kind.height) else []
        chain += [("scale", f"w={width}:h={height}:{SCALING}:{colours}")]
        chain += [("format", "rgba" if transparent else "rgb24"), *turn]
        self._recipe = kind, tuple(chain)
        self._times.clear()
        if waiting := _idle.get(self._recipe):
            self._kind, self._graph = kind, waiting.pop()
            return
        while len(_idle) >= MAX_IDLE:
            _idle.pop(next(iter(_idle)))
        graph = av.filter.Graph()
        try:
            nodes: list[Any] = [
                graph.add_buffer(width=kind.width, height=kind.height, format=frame.format, time_base=Fraction(1, 25))
            ]
            nodes += [graph.add(name, options) for name, options in chain] + [graph.add("buffersink")]
            for before, after in pairwise(nodes):
                before.link_to(after)
            graph.configure()
        except (FFmpegError, ValueError) as error:
            raise InputError(f"pictures of {kind.width}x{kind.height} in {kind.format} cannot be shown") from error
        self._kind, self._graph = kind, graph

    def _size(self, kind: PictureKind, turn: Filters) -> tuple[int, int]:
        """Width and height before turning."""
        if self.size is not None:  # a stream that changes its size: as players do, all like the first
            width, height = self.size[::-1] if swaps_sides(turn) else self.size
            if self._stored != (kind.width, kind.height):
                self.note(
                    f"the size changes within the file; {kind.width}x{kind.height} is scaled to that of the first frame"
                )
            return width, height
        self._stored = kind.width, kind.height
        stored = self._cut(kind)
        width, height = square_pixels(*stored, self.pixel_shape)
        if (width, height) != stored:
            shape = f"{self.pixel_shape.numerator}:{self.pixel_shape.denominator}"
            self.note(
                f"pixels of {shape} are resampled to square ones: {stored[0]}x{stored[1]} is shown as "
                f"{width}x{height}, which the CBR counts"
            )
        if self.max_side and max(width, height) > self.max_side:
            before = f"{width}x{height}"
            scale = self.max_side / max(width, height)
            width, height = (max(1, min(self.max_side, 2 * round(side * scale / 2))) for side in (width, height))
            self.note(f"{before} is made smaller, {width}x{height}, as asked; CBR and metrics are over the smaller one")
        self.size = (height, width) if swaps_sides(turn) else (width, height)
        return width, height

    def _cut(self, kind: PictureKind) -> tuple[int, int]:
        width, height = self.true_size or (kind.width, kind.height)
        return (
            (width, height)
            if kind.width - width in (0, 1) and kind.height - height in (0, 1)
            else (kind.width, kind.height)
        )

    def _colours(self, kind: PictureKind) -> str:
        """Options of the scale filter, which also converts colours: all said, nothing left to guess."""
        untold = "bt709" if kind.height >= HD_LINES else "bt470bg"
        options = [f"in_color_matrix={MATRICES.get(kind.matrix, untold)}"]
        options += [f"in_range={'full' if kind.full_range or is_rgb(kind.format) else 'limited'}", "out_range=full"]
        hdr, wide = HDR.get(kind.transfer), WIDE.get(kind.primaries)
        if hdr or wide:
            transfer, primaries = hdr[1] if hdr else "bt709", wide[1] if wide else "bt2020" if hdr else "bt709"
            options += [f"in_transfer={transfer}:in_primaries={primaries}"]
            options += ["out_transfer=bt709:out_primaries=bt709:intent=perceptual"]
        if hdr:
            self.note(f"HDR ({hdr[0]}) is tone-mapped to SDR by FFmpeg (swscale, perceptual intent)")
        elif wide:
            self.note(f"colours of {wide[0]} are converted to BT.709")
        return ":".join(options)


def refuse_strip(name: str, width: int, height: int) -> None:
    """Refuse pictures that are too long and narrow to have their motion and meaning looked at.

    Raises:
        InputError: One side is more than a hundred times the other.
    """
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise InputError(f"{name} is {width}x{height}; pictures more oblong than {MAX_ASPECT}:1 are refused, crop it")


def square_pixels(width: int, height: int, shape: Fraction) -> tuple[int, int]:
    """Size of a picture once its pixels are square: the width follows, or the height where that would be too large."""
    if shape <= 0 or shape == 1:
        return width, height
    wide = max(1, round(width * shape))
    if wide * height <= MAX_PIXELS and wide >= 2:
        return wide, height
    return width, max(1, min(round(height / shape), MAX_PIXELS // width))


def is_rgb(name: str) -> bool:
    """Whether a pixel format holds RGB, which knows no limited range."""
    return av.VideoFormat(name).is_rgb or name.startswith(("pal8", "mono"))


def has_alpha(name: str) -> bool:
    """Whether a pixel format has a plane of transparency."""
    return name == "pal8" or any(component.is_alpha for component in av.VideoFormat(name).components)
