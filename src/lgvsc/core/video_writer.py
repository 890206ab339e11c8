"""Video into files that players and browsers show right: H.264, 4:2:0, colours tagged, the same bytes every time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from lgvsc.core.files import check_suffix, part_path
from lgvsc.core.frames import Video, VideoFormat
from lgvsc.core.picture_chain import HD_LINES, Pixels
from lgvsc.core.reformatter import Reformatter
from lgvsc.core.video_reader import SIZE_TAG
from lgvsc.errors import ShapeError

PixelFormat = Literal["yuv420p", "yuv444p"]
ACCURATE = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.BITEXACT
# x264 gives the same bytes for the same frames only without macroblock trees and with a settled number of threads.
BRANDS = ("major_brand", "minor_version", "compatible_brands", "encoder")  # tags that a container makes for itself
DETERMINISTIC = "mbtree=0:threads=1:lookahead-threads=1"


class VideoWriter:
    """Write frames to a file that appears under its name only when it is whole.

    The video is H.264. In 4:2:0 it is of the High profile, which browsers, phones and QuickTime play; an odd height
    or width is made even there by repeating the last line or column, and
    :class:`~lgvsc.core.video_reader.VideoReader` takes it off again. Colours are BT.709 from 720 lines up, else
    BT.601, in limited range, converted by that very matrix and tagged so; the primaries are those of BT.709, as they
    are in the frames.

    Args:
        path: Where the file goes; its suffix names the container. Parent folders must exist.
        format: Size and rate.
        crf: x264 quality; 16 is visually lossless for what a receiver makes.
        pixel_format: ``"yuv444p"`` keeps all colour detail and any size, and plays in fewer places.
        metadata: Text tags stored in the container.

    Raises:
        ConfigError: The suffix names no container that this can write.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: VideoFormat,
        *,
        crf: int = 16,
        pixel_format: PixelFormat = "yuv420p",
        metadata: dict[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self.format = format
        self._kind = check_suffix(self.path)
        self._part = part_path(self.path)
        self._part.touch()  # where it cannot be, FFmpeg says so later and without a name
        odd = pixel_format == "yuv420p" and (format.width % 2 or format.height % 2)
        size = {SIZE_TAG: f"{format.width}x{format.height}"} if odd else {}
        self._container = open_for_writing(self._part, "mp4")
        self._container.metadata.update((metadata or {}) | size)
        self._stream = self._container.add_stream("libx264", rate=format.fps)
        even = 2 if pixel_format == "yuv420p" else 1
        self._stream.width, self._stream.height = (-(-side // even) * even for side in (format.width, format.height))
        self._stream.pix_fmt = self._pixel_format = pixel_format
        context = self._stream.codec_context
        context.thread_count = 1
        self._matrix = Colorspace.ITU709 if format.height >= HD_LINES else Colorspace.ITU601
        context.colorspace = 1 if self._matrix is Colorspace.ITU709 else 6
        context.color_range = ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        profile = "high" if pixel_format == "yuv420p" else "high444"
        self._stream.options = {
            "crf": str(crf),
            "preset": "veryfast",
            "profile": profile,
            "x264-params": DETERMINISTIC,
        }
        self._count = 0
        self._late_tags: dict[str, str] = {}

    def write(self, pixels: Pixels) -> None:
        """Append one RGB frame of the writer's size."""
        if pixels.shape != (self.format.height, self.format.width, 3):
            raise ShapeError(f"frame {self._count} is {pixels.shape}, not {self.format.height}x{self.format.width} RGB")
        more = self._stream.height - pixels.shape[0], self._stream.width - pixels.shape[1]
        if any(more):
            pixels = np.pad(pixels, ((0, more[0]), (0, more[1]), (0, 0)), mode="edge")
        frame = as_yuv(pixels, self._pixel_format, self._matrix)
        frame.pts = self._count
        frame.time_base = 1 / self.format.fps
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def describe(self, **tags: str) -> None:
        """Text tags that are known only at the end; the last call before the file is closed counts."""
        self._late_tags = tags

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        described = part_path(self._part)
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            if kind is None:
                if self._late_tags or self._kind != "mp4":
                    copy_with_tags(self._part, described, self._late_tags, self._kind)
                    described.replace(self._part)
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)
            described.unlink(missing_ok=True)


_converted = Reformatter()


def as_yuv(pixels: Pixels, pixel_format: str, matrix: Colorspace) -> av.VideoFrame:
    """An RGB picture for an encoder, limited range, by the matrix that its stream is tagged with."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return _converted(
        frame,
        format=pixel_format,
        dst_colorspace=matrix,
        src_colorspace=matrix,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=ACCURATE,
        threads=1,
    )


def open_for_writing(path: Path, kind: str) -> av.container.OutputContainer:
    """A container whose bytes hang on nothing but what is put into it, and that plays before it is all there."""
    options = {"fflags": "+bitexact"}
    if kind != "matroska":
        options["movflags"] = "+faststart+use_metadata_tags"
    return av.open(f"file:{path}", "w", format=kind, options=options)


def copy_with_tags(source: Path, target: Path, tags: dict[str, str], kind: str) -> None:
    """The video of an MP4 in any container with more tags, which are fixed when its first packet is written."""
    with av.open(f"file:{source}") as made, open_for_writing(target, kind) as copied:
        kept = {key: value for key, value in made.metadata.items() if key not in BRANDS}
        copied.metadata.update(kept | tags)
        stream = copied.add_stream_from_template(made.streams.video[0])
        for packet in made.demux(video=0):
            if packet.dts is not None:  # the last one only says that there are no more
                packet.stream = stream
                copied.mux(packet)


def write_video(path: str | os.PathLike[str], video: Video) -> None:
    """Write a clip as H.264; the suffix names the container."""
    with VideoWriter(path, video.format) as writer:
        for frame in video:
            writer.write(frame.pixels)
