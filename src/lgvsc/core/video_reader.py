"""Video files as people see them: whatever FFmpeg can decode, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.error import FFmpegError

from lgvsc.core.files import require_file
from lgvsc.core.frames import Frame, Video, VideoFormat
from lgvsc.core.gif import SHOWN_DELAY, as_shown
from lgvsc.core.orientation import exif_matrix
from lgvsc.core.picture_chain import MAX_PIXELS, MAX_PIXELS_TO_SHRINK, PictureChain, Pixels, refuse_strip
from lgvsc.core.stills import exif_orientation
from lgvsc.core.timeline import COVERS, scan, video_stream
from lgvsc.errors import InputError

SIZE_TAG = "lgvsc_size"  # of files of ours whose coded picture is larger than the true one by a line or a column


OnNotes = Callable[[list[str]], None]  # called with what was changed on reading, at the beginning and at the end


PLAYLISTS = ("concat", "hls", "dash", "imf", "sdp", "rtsp", "vapoursynth")  # which name other files, or run them
MOVING_WEBP = "FFmpeg reads no animated WebP here; make it a GIF, an animated PNG or an MP4"
STILLS = ("mjpeg", "png", "webp", "tiff")  # codecs whose files may be pictures with EXIF data


class VideoReader:
    """Decode a file frame by frame as people see it: upright, 8-bit RGB. Memory does not grow with length.

    The stream is the one that FFmpeg would choose. Pictures are deinterlaced, tone-mapped to SDR, brought to square
    pixels and turned as the file asks. Frames of a variable rate are resampled to a stated one, so that each is shown
    at its time; of damaged files all that can be decoded comes, at the stated rate. ``notes`` says what
    was done.

    Args:
        path: A file; never a URL.
        max_side: Pictures whose longer side is above this are made smaller; 0 takes them as they are.

    Raises:
        InputError: Not a file, no video in it, damaged beyond its first frame, or larger than 16 megapixels; 40 where
            it is made smaller.

    Example:
        >>> with VideoReader(path) as reader:        # doctest: +SKIP
        ...     print(reader.format, reader.notes, sum(1 for _ in reader))
    """

    def __init__(self, path: str | os.PathLike[str], *, max_side: int = 0) -> None:
        self.path = require_file(Path(path), "a video")
        self.max_side = max_side
        self._max_pixels = MAX_PIXELS_TO_SHRINK if max_side else MAX_PIXELS
        self.damaged = 0  # packets and frames that could not be decoded whole, counted while iterating
        self._gif = as_shown(self.path)
        self._joined = frozenset[int]()
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
        index, held = 0, None
        for time_s, pixels in self._shown():
            place = self._timeline.place(time_s, index)
            while held is not None and index < place:  # what was shown last stands until this one comes
                yield Frame(index, held)
                index += 1
            if place >= index:
                yield Frame(index, pixels)
                index += 1
            held = pixels
        if not self._timeline.constant:
            while held is not None and index < self._timeline.frames:
                yield Frame(index, held)
                index += 1

    @property
    def damage(self) -> str | None:
        """What is wrong with the file, as far as it has been read; ``None`` for a sound one."""
        if self._timeline.damage:
            return f"the file is damaged: {self._timeline.damage}; all that can be decoded is taken"
        if self.damaged:
            return f"the file is damaged: {self.damaged} of its pieces cannot be decoded whole; the rest is taken"
        return None

    @property
    def notes(self) -> list[str]:
        """What was changed or dropped on reading so far, a sentence each."""
        damage = self.damage
        return [*([damage] if damage else []), *self._chain.notes, *self._timeline.notes, *self._dropped]

    @property
    def changed(self) -> bool:
        """Whether the pictures are others than those that a plain decoder gives of the file."""
        return bool(self._chain.notes or self._timeline.notes or self.damage or self._true_size or self._gif)

    def _open(self) -> av.container.InputContainer:
        try:
            # Local files only: a playlist inside a hostile file must not open a socket or another file. "file:" keeps
            # a name that holds a colon from being read as a protocol. The limit is for what FFmpeg decodes while it
            # finds out what it has before it.
            options = {"protocol_whitelist": "file", "max_pixels": str(self._max_pixels)}
            opened = av.open(BytesIO(self._gif) if self._gif else f"file:{self.path}", "r", options=options)
        except (FFmpegError, OSError, ValueError) as error:
            why = reason(error)
            if no_index(self.path):
                why = "its index (moov) is missing, as where a recording broke off"
            if not self.path.stat().st_size:
                why = "it is empty"
            raise InputError(f"{self.path} cannot be read as video: {why}") from error
        if opened.format.name.split(",")[0] in PLAYLISTS:
            opened.close()
            raise InputError(f"{self.path} is a list of other files, not a video; give the video itself")
        return opened

    def _shown(self) -> Iterator[tuple[float | None, Pixels]]:
        """Times and pictures, all of one size."""
        chain = self._chain
        for frame in self._decode():
            yield from chain.pictures(frame)
        yield from chain.rest()

    def _decode(self) -> Iterator[av.VideoFrame]:
        """The frames of the chosen stream. After damage the rest is taken, and what the decoder still holds."""
        self._container.close()
        self._container = self._open()
        self.damaged = 0
        stream = self._stream()
        stream.thread_type = "SLICE"  # threads for whole frames lose pictures next to damage, and which ones varies
        context = stream.codec_context
        context.options = {"max_pixels": str(self._max_pixels)}  # the size may change within the file
        seen, words = False, ""
        packets = self._container.demux(stream)
        while True:
            decoded: list[av.VideoFrame] = []
            try:
                packet = next(packets)
            except StopIteration:
                break
            except FFmpegError as error:
                self.damaged, words = self.damaged + 1, reason(error)
                try:
                    decoded = context.decode(None)
                except FFmpegError:
                    self.damaged += 1
                packets = iter(())
            else:
                try:
                    decoded = packet.decode()
                except FFmpegError as error:
                    self.damaged, words = self.damaged + 1, reason(error)
                    if self.damaged > 10_000:
                        raise InputError(f"{self.path} is damaged: {words}") from error
            for frame in decoded:
                if isinstance(frame, av.VideoFrame):
                    seen = True
                    self.damaged += frame.is_corrupt and frame.pts not in self._joined
                    yield frame
        if not seen and words:
            moves = is_animated_webp(self.path)
            raise InputError(f"{self.path} cannot be decoded: " + (MOVING_WEBP if moves else words))

    def _too_large(self, width: int, height: int, limit: int) -> InputError:
        smaller = "" if self.max_side else f", or up to {MAX_PIXELS_TO_SHRINK // 10**6} with --max-side"
        return InputError(
            f"{self.path} is {width}x{height}; frames of up to {limit // 10**6} megapixels are taken{smaller}"
        )

    def _stream(self) -> av.VideoStream:
        stream = video_stream(self._container)
        if stream is None:
            cover = ", only a cover picture" if self._container.streams.video else ""
            raise InputError(f"{self.path} has no video in it{cover}")
        return stream

    def _probe(self) -> VideoFormat:
        """Size from the first frame as it is shown, rate and length from the times of all."""
        stream = self._stream()
        context = stream.codec_context
        if context is None:
            raise InputError(f"{self.path} holds video of a kind that FFmpeg does not know, or is damaged")
        if context.width * context.height > self._max_pixels:
            raise self._too_large(context.width, context.height, self._max_pixels)
        self._dropped = dropped(self._container, stream)
        if self._gif:
            self._dropped.append(f"pictures without a delay stand for {SHOWN_DELAY / 100:g} s, as in browsers")
        coded = context.width, context.height
        size = true_size(self._container, *coded)
        self._true_size = None if size == coded else size
        self._chain = PictureChain(Fraction(stream.sample_aspect_ratio or 1), self.max_side, self._true_size)
        if context.name in STILLS:
            self._chain.display = exif_matrix(exif_orientation(self.path))
        first = next(self._decode(), None)
        if first is None:
            raise InputError(f"{self.path} holds no frame that can be decoded")
        self._chain.look(first)
        with self._open() as container:
            chosen = container.streams[self._stream().index]
            assert isinstance(chosen, av.VideoStream)
            self._timeline = scan(container, chosen, self._decode)
        self._joined = self._timeline.joined
        assert self._chain.size is not None
        width, height = self._chain.size
        if width * height > MAX_PIXELS:
            raise self._too_large(width, height, MAX_PIXELS)
        refuse_strip(str(self.path), width, height)
        return VideoFormat(height, width, self._timeline.fps, self._timeline.frames)


def read_video(path: str | os.PathLike[str]) -> Video:
    """The whole file in memory. For clips; use :class:`VideoReader` for anything long."""
    with VideoReader(path) as reader:
        frames = np.stack([frame.pixels for frame in reader])
        return Video(frames, reader.format.fps)


def is_animated_webp(path: Path) -> bool:
    """Whether a file is a WebP with more than one picture."""
    with path.open("rb") as file:
        head = file.read(21)
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == 21 and bool(head[20] & 2)


def no_index(path: Path) -> bool:
    """Whether a file is an MP4 that ends before its index, without which nothing in it can be found."""
    length = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while head := file.read(16):
            size, kind = int.from_bytes(head[:4]), head[4:8]
            if kind == b"moov" or (not at and kind != b"ftyp"):
                return False
            size = int.from_bytes(head[8:16]) if size == 1 else size or length
            if size < 8:
                return False
            at += size
            file.seek(at)
    return at > 0


def true_size(container: av.container.InputContainer, width: int, height: int) -> tuple[int, int]:
    """Width and height without the line or column that a writer of ours added to make them even."""
    tags = {key.lower(): value for key, value in container.metadata.items()}
    words = tags.get(SIZE_TAG, "").split("x")
    if len(words) != 2 or not all(word.isdecimal() and len(word) < 6 for word in words):
        return width, height
    stated = int(words[0]), int(words[1])
    fits = all(0 <= coded - true <= 1 and true for coded, true in zip((width, height), stated, strict=True))
    return stated if fits else (width, height)


def dropped(container: av.container.InputContainer, chosen: av.VideoStream) -> list[str]:
    """What a file holds besides its video, and what becomes of it."""
    kinds = {stream.type for stream in container.streams}
    names = [word for kind, word in (("audio", "sound"), ("subtitle", "subtitles")) if kind in kinds]
    notes = [f"its {' and '.join(names)} {'is' if names == ['sound'] else 'are'} not sent"] if names else []
    if chosen.metadata.get("alpha_mode") == "1":
        notes.append("what it says of transparency is left out, as FFmpeg does: its colours are shown as they are")
    others = [s for s in container.streams.video if s.index != chosen.index and not s.disposition & COVERS]
    if others:
        notes.append(f"of its {len(others) + 1} video streams, number {chosen.index} is taken, as FFmpeg does")
    return notes


def reason(error: Exception) -> str:
    """FFmpeg's words without its error numbers and without the path, which the caller names."""
    return str(getattr(error, "strerror", None) or error).split(":")[0].strip().lower() or type(error).__name__
