"""How much a video jumps where segments meet; see ``world.py --seams``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.core.interfaces import PictureCodec, WorldModel
from lgvsc.core.message import Segment
from lgvsc.core.video import Frame, Pixels, VideoFormat, VideoReader
from lgvsc.models.catalog import load
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.motion import MotionMeter
from lgvsc.world.decoder import DecoderConfig, SemanticDecoder

SNR_DB = 10.0
KEYFRAME_CBR = 0.02
Steps = NDArray[np.float64]


def seams(paths: list[Path], gaps: list[int], models: dict[str, WorldModel]) -> None:
    """Steps into and out of the frames where segments meet, over the source's own; keyframes as the channel leaves
    them."""
    codec = load("compact-ntscc")
    for gap in gaps:
        jumps: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        count = 0
        for path in paths:
            found = segments_of(path, gap, codec)
            if found is None:
                continue
            frames, segments = found
            count += 1
            source = steps(frames)
            meets = [segment.start for segment in segments[1:]]
            for name, model in models.items():
                decoder = SemanticDecoder(model, DecoderConfig(show_keyframes=False))
                made = [picture for piece in decoder.videos(segments) for picture in piece.video.frames]
                for shown in (False, True):
                    if shown:  # as the decoder does, without making all frames again
                        made = with_keyframes(made, segments)
                    ratio = steps(made) / source
                    view = "keyframe shown" if shown else "its image by the model"
                    into, out = ratio[[m - 1 for m in meets]], ratio[meets]
                    for where, values in (("into", into), ("out of", out), ("elsewhere", np.delete(ratio, meets))):
                        jumps[name, view, where] += values.tolist()
        print(f"\n{count} clips, segments of {gap} frames, keyframes by the learned code at {SNR_DB:g} dB")
        print("frame differences over the source's own: median, and 95 % of all lie below")
        print(f"{'':<24}{'':<24}{'into the keyframe':>20}{'out of it':>18}{'elsewhere':>18}")
        for name in models:
            for view in ("keyframe shown", "its image by the model"):
                cells = [np.array(jumps[name, view, where]) for where in ("into", "out of", "elsewhere")]
                told = "".join(f"{np.median(c):>12.2f}{np.quantile(c, 0.95):>6.2f}" for c in cells)
                print(f"{name:<24}{view:<24}{told}")


def with_keyframes(made: list[Pixels], segments: list[Segment]) -> list[Pixels]:
    """The received keyframes in their places."""
    shown = list(made)
    for segment in segments:
        shown[segment.start] = made[segment.start] if segment.keyframe is None else segment.keyframe
    if segments[-1].closing_keyframe is not None:
        shown[-1] = segments[-1].closing_keyframe
    return shown


def steps(frames: list[Pixels]) -> Steps:
    """Mean absolute difference of each frame to the next, and a little more so that stillness divides by something."""
    video = np.stack(frames).astype(np.int16)
    return np.asarray(np.abs(np.diff(video, axis=0)).mean((1, 2, 3)) + 0.5)


def segments_of(path: Path, gap: int, codec: PictureCodec) -> tuple[list[Pixels], list[Segment]] | None:
    """Up to four segments of a clip before its first cut, or nothing where that is less than two."""
    run: list[Frame] = []
    cuts = CutDetector()
    with VideoReader(path) as reader:
        fps: Fraction = reader.format.fps
        for frame in reader:
            if (cuts(frame) and run) or len(run) > 4 * gap:
                break
            run.append(frame)
    count = (len(run) - 1) // gap
    if count < 2:
        return None
    run = run[: count * gap + 1]
    height, width = run[0].pixels.shape[:2]
    video = VideoFormat(height, width, fps, len(run))
    return [frame.pixels for frame in run], list(segments(run, gap, video, codec))


def segments(run: list[Frame], gap: int, video: VideoFormat, codec: PictureCodec) -> Iterator[Segment]:
    captioner = CompactCaptioner()
    received = []
    for frame in run[::gap]:
        picture = frame.pixels
        coded = codec.encode(picture, max_symbols=int(KEYFRAME_CBR * picture.size), snr_db=SNR_DB)
        heard = AwgnChannel(SNR_DB, child_generator(frame.index, "seam"))(coded.symbols)
        received.append(codec.decode(heard, coded.length, coded.mode, *picture.shape[:2]))
    last = len(received) - 2
    for number, keyframe in enumerate(received[:-1]):
        start, stop = number * gap, (number + 1) * gap + (number == last)
        meter = MotionMeter(video.fps)
        for frame in run[start : start + gap + 1]:
            meter.add(frame)
        motion = meter.measure()
        yield Segment(
            video=video,
            start=start,
            stop=stop,
            caption=captioner.caption([run[start], run[start + gap // 2], run[stop - 1]], motion, 160),
            keyframe=keyframe,
            closing_keyframe=received[-1] if number == last else None,
            motion=motion,
            last=number == last,
        )
