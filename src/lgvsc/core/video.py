"""Video in memory and in files: decoding streams, encoding appears atomically."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Self, TypeAlias

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from lgvsc.core.files import part_path
from lgvsc.errors import InputError, ShapeError

MAX_PIXELS = 16_000_000  # a frame above this is refused before it is allocated
MAX_PIECE_BYTES = 64 << 20  # of pictures that leave a decoder together
FALLBACK_FPS = Fraction(25)  # for files that state no rate at all

Pixels: TypeAlias = NDArray[np.uint8]  # one RGB picture, (H, W, 3)


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """Size, rate and length of a video.

    ``frames`` is ``None`` where the length is not known yet, as on a live source.
    """

    height: int
    width: int
    fps: Fraction
    frames: int | None = None

    @property
    def duration_s(self) -> float | None:
        return None if self.frames is None else float(self.frames / self.fps)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a video and where it stands. Compared by identity, so caches may be keyed by it."""

    index: int
    pixels: Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """A run of frames: a whole clip, or a piece of one.

    Attributes:
        frames: uint8 RGB, ``(F, H, W, 3)``.
        fps: Frames per second.
        start: Index of ``frames[0]`` in the video that this is a piece of.
    """

    frames: NDArray[np.uint8]
    fps: Fraction
    start: int = 0

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[3] != 3 or self.frames.dtype != np.uint8:
            raise ShapeError(f"a video is uint8 (F, H, W, 3), got {self.frames.dtype} {self.frames.shape}")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def format(self) -> VideoFormat:
        return VideoFormat(self.frames.shape[1], self.frames.shape[2], self.fps, len(self.frames))

    def __iter__(self) -> Iterator[Frame]:
        for offset, pixels in enumerate(self.frames):
            yield Frame(self.start + offset, pixels)


class VideoReader:
    """Decode a file frame by frame, upright, as 8-bit RGB. Memory does not grow with length.

    Frames are taken as the decoder gives them; a file with a variable rate keeps its frame count and
    gets its mean rate. A rotation flag is applied.

    Raises:
        InputError: Not a file, no video in it, damaged beyond its first frame, or larger than 16 megapixels.

    Example:
        >>> with VideoReader(path) as reader:        # doctest: +SKIP
        ...     print(reader.format, sum(1 for _ in reader))
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{self.path} is not a file; give the path of a video")
        self.variable_rate = False
        self.damaged = 0  # packets that could not be decoded, counted while iterating
        self._container = self._open()
        try:
            self.format = self._probe()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        """Frames from the first one on; a second iteration opens the file anew."""
        for index, frame in enumerate(self._decode()):
            pixels = upright(frame)
            if pixels.shape[:2] != (self.format.height, self.format.width):
                raise InputError(
                    f"{self.path}: frame {index} is {pixels.shape[1]}x{pixels.shape[0]}, the first one is "
                    f"{self.format.width}x{self.format.height}; a video that changes its size is not supported"
                )
            yield Frame(index, pixels)

    def _open(self) -> av.container.InputContainer:
        try:
            # Local files only: a playlist inside a hostile file must not open a socket or another file. The limit is
            # for what FFmpeg decodes while it finds out what it has before it.
            return av.open(str(self.path), options={"protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)})
        except (FFmpegError, OSError, ValueError) as error:
            raise InputError(f"{self.path} cannot be read as video: {reason(error)}") from error

    def _decode(self) -> Iterator[av.VideoFrame]:
        self._container.close()
        self._container = self._open()
        self.damaged = 0
        stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # the size may change within the file
        seen = False
        try:
            packets = self._container.demux(stream)
            while True:
                try:
                    packet = next(packets)
                    decoded = packet.decode()
                except StopIteration:
                    break
                except FFmpegError as error:
                    self.damaged += 1
                    if self.damaged > 10_000:
                        raise InputError(f"{self.path} is damaged: {reason(error)}") from error
                    continue
                for frame in decoded:
                    if isinstance(frame, av.VideoFrame):
                        seen = True
                        yield frame
        except FFmpegError as error:
            if not seen:
                raise InputError(f"{self.path} cannot be decoded: {reason(error)}") from error
            self.damaged += 1

    def _probe(self) -> VideoFormat:
        """Size and upright orientation from the first frame, rate and length from the packets."""
        if not self._container.streams.video:
            raise InputError(f"{self.path} has no video in it")
        context = self._container.streams.video[0].codec_context
        if context is None:
            raise InputError(f"{self.path} holds video of a kind that FFmpeg does not know, or is damaged")
        if context.width * context.height > MAX_PIXELS:
            raise InputError(
                f"{self.path} is {context.width}x{context.height}; "
                f"frames above {MAX_PIXELS // 10**6} megapixels are refused"
            )
        first = next(self._decode(), None)
        if first is None:
            raise InputError(f"{self.path} holds no frame that can be decoded")
        height, width = upright(first).shape[:2]
        stream = self._container.streams.video[0]
        times = packet_times(self._open())
        steps = np.diff(times)
        self.variable_rate = len(steps) > 1 and bool(steps.max() > 1.5 * steps.min())
        stated = stream.guessed_rate or stream.average_rate or FALLBACK_FPS
        fps = Fraction(1 / float(steps.mean())) if self.variable_rate else stated
        fps = fps.limit_denominator(1001)
        if not 0 < fps <= 1000:
            fps = FALLBACK_FPS
        return VideoFormat(height, width, fps, max(1, len(times)))


class VideoWriter:
    """Write frames to an H.264 MP4 that appears under its name only when it is whole.

    Args:
        path: Where the file goes. Parent folders must exist.
        format: Size and rate. Odd sizes are kept exactly (4:4:4 sampling where 4:2:0 cannot hold them).
        crf: x264 quality; 16 is visually lossless for what a receiver makes.
        metadata: Text tags stored in the container.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: VideoFormat,
        *,
        crf: int = 16,
        metadata: dict[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self.format = format
        self._part = part_path(self.path)
        self._part.touch()  # where it cannot be, FFmpeg says so later and without a name
        self._container = av.open(
            str(self._part), "w", format="mp4", options={"movflags": "+faststart+use_metadata_tags"}
        )
        self._container.metadata.update(metadata or {})
        self._stream = self._container.add_stream("libx264", rate=format.fps)
        self._stream.width, self._stream.height = format.width, format.height
        odd = format.width % 2 or format.height % 2
        self._stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        self._stream.options = {"crf": str(crf), "preset": "veryfast"}
        self._count = 0
        self._late_tags: dict[str, str] = {}

    def write(self, pixels: Pixels) -> None:
        """Append one RGB frame of the writer's size."""
        if pixels.shape != (self.format.height, self.format.width, 3):
            raise ShapeError(f"frame {self._count} is {pixels.shape}, not {self.format.height}x{self.format.width} RGB")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
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
                if self._late_tags:
                    copy_with_tags(self._part, described, self._late_tags)
                    described.replace(self._part)
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)
            described.unlink(missing_ok=True)


def copy_with_tags(source: Path, target: Path, tags: dict[str, str]) -> None:
    """The same MP4 with more tags. A container's tags are fixed when its first packet is written."""
    options = {"movflags": "+faststart+use_metadata_tags"}
    with av.open(str(source)) as made, av.open(str(target), "w", format="mp4", options=options) as copied:
        copied.metadata.update(made.metadata | tags)
        stream = copied.add_stream_from_template(made.streams.video[0])
        for packet in made.demux(video=0):
            if packet.dts is not None:  # the last one only says that there are no more
                packet.stream = stream
                copied.mux(packet)


def read_video(path: str | os.PathLike[str]) -> Video:
    """The whole file in memory. For clips; use :class:`VideoReader` for anything long."""
    with VideoReader(path) as reader:
        frames = np.stack([frame.pixels for frame in reader])
        return Video(frames, reader.format.fps)


def write_video(path: str | os.PathLike[str], video: Video) -> None:
    """Write a clip as H.264 MP4."""
    with VideoWriter(path, video.format) as writer:
        for frame in video:
            writer.write(frame.pixels)


def upright(frame: av.VideoFrame) -> Pixels:
    """RGB pixels of a decoded frame, with the file's rotation flag applied."""
    turns = round(frame.rotation / 90) % 4  # PyAV: degrees counter-clockwise that set the picture upright
    pixels: Pixels = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def packet_times(container: av.container.InputContainer) -> NDArray[np.float64]:
    """Presentation times of all video packets in seconds, sorted; nothing is decoded."""
    times: list[float] = []
    with container:
        try:
            for packet in container.demux(video=0):
                if packet.size and packet.pts is not None:
                    times.append(float(packet.pts * packet.time_base))
                elif packet.size:
                    times.append(times[-1] if times else 0.0)
        except FFmpegError:
            pass  # a damaged tail: what came before it still counts
    return np.sort(np.asarray(times, dtype=np.float64))


def reason(error: Exception) -> str:
    """FFmpeg's words without its error numbers and without the path, which the caller names."""
    return str(getattr(error, "strerror", None) or error).split(":")[0].strip().lower() or type(error).__name__


def frames_of_piece(format: VideoFormat, longest: int) -> int:
    """How many frames a decoder hands on together: so many, or as many as memory should hold of this size."""
    return max(1, min(longest, MAX_PIECE_BYTES // (3 * format.height * format.width)))


def with_frames(format: VideoFormat, frames: int | None) -> VideoFormat:
    """The same format with another length."""
    return replace(format, frames=frames)
