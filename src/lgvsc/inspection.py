"""Parts of the link on their own: keyframes without sending, two pictures compared, a threshold calibrated."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from lgvsc import build
from lgvsc.config import Config
from lgvsc.core.cost import Cost
from lgvsc.core.files import require_files, require_folder
from lgvsc.core.picture_chain import refuse_strip
from lgvsc.core.stills import read_picture
from lgvsc.core.video import Frame, VideoReader
from lgvsc.errors import InputError
from lgvsc.link import OnOpen, Progress
from lgvsc.metrics.measuring import VideoMeter
from lgvsc.planning import segment_symbols
from lgvsc.semantics.calibration import Calibration, Prices, calibrate_threshold, clip_curve
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.frame_words import describe_pixels
from lgvsc.semantics.keyframes import Choice, choose_keyframes
from lgvsc.semantics.psss import Psss, Score
from lgvsc.semantics.still_filter import StillFilter
from lgvsc.semantics.thresholds import StoredThreshold


@dataclass(frozen=True, slots=True)
class KeyframeReason:
    """A keyframe and why it is one: first, divergence, cut, a picture that comes or goes, length or last."""

    index: int
    divergence: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Keyframes:
    """What SKEM or SKIM found in a video.

    Attributes:
        keyframes: In order, the closing one included.
        curve: Frame index and divergence from the keyframe before it, for every pair that was scored.
        cuts: First frames of new shots, whether or not the judge found that they show something else.
        threshold: Above it a new segment opens.
        fps, frames: Of the video.
        cost: What captioner and judge did for it.
        spared: Samples that the filter of still frames left out.
        seconds, processor_seconds: Wall time and processor time of all of it, reading the file included and loading
            models not.
        notes: What was changed or dropped on reading, a sentence each.
    """

    keyframes: list[KeyframeReason]
    curve: list[tuple[int, float]]
    threshold: float
    fps: float
    cost: Cost
    spared: int = 0
    frames: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)

    @property
    def seconds_per_minute(self) -> float:
        """Seconds that a minute of video takes."""
        return 60.0 * self.seconds * self.fps / self.frames if self.frames else 0.0

    @property
    def processor_seconds_per_minute(self) -> float:
        """The same in processor time, which other programs on the machine change little."""
        return 60.0 * self.processor_seconds * self.fps / self.frames if self.frames else 0.0

    @property
    def indices(self) -> list[int]:
        return [keyframe.index for keyframe in self.keyframes]

    @property
    def wasted_share(self) -> float:
        """The share of the scored pairs that a speculation scored in vain."""
        return self.cost.wasted_share(len(self.curve))

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "wasted_share": self.wasted_share,
            "seconds_per_minute": self.seconds_per_minute,
            "processor_seconds_per_minute": self.processor_seconds_per_minute,
        }


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the filter of still frames changed.

    Attributes:
        filtered, full: Keyframes with it and without it.
        shared: Keyframes that both have.
        pairs_spared: Share of the full run's pairs that were not scored.
    """

    filtered: list[int]
    full: list[int]
    pairs_spared: float

    @property
    def shared(self) -> list[int]:
        return sorted(set(self.filtered) & set(self.full))

    @property
    def score(self) -> float:
        """Shared keyframes over all that either run has, in [0, 1]; 1 where they agree."""
        return len(self.shared) / len(set(self.filtered) | set(self.full))

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"shared": self.shared, "score": self.score}


def still_agreement(
    source: Path, config: Config, on_progress: Progress | None = None, on_open: OnOpen = lambda *_: None
) -> Agreement:
    """Keyframes with and without ``keyframes.skip_still``, side by side, every sample being compared otherwise."""
    filtered, full = (
        find_keyframes(
            source,
            config.model_copy(update={"keyframes": replace(config.keyframes, skip_still=skip, turn=0.0)}),
            on_progress,
            on_open=on_open,
        )
        for skip in (True, False)
    )
    spared = 1.0 - len(filtered.curve) / len(full.curve) if full.curve else 0.0
    return Agreement(filtered.indices, full.indices, spared)


def find_keyframes(
    source: Path,
    config: Config,
    on_progress: Progress | None = None,
    similarity: Psss | None = None,
    on_open: OnOpen = lambda *_: None,
) -> Keyframes:
    """Choose keyframes and describe nothing.

    Args:
        similarity: From :func:`lgvsc.build.psss` for the same configuration, where several videos share the models.
        on_open: Called with the source's format and what was changed on reading it, at the beginning and at the end.
    """
    keyframes: list[KeyframeReason] = []
    curve: list[tuple[int, float]] = []
    cuts: list[int] = []
    last = 0
    similarity = similarity or build.psss(config)
    similarity.start_ledger()
    build.check_threshold(config, similarity)
    started, at_work = time.perf_counter(), time.process_time()
    score = build.divergence_of(similarity, config)
    with VideoReader(source, max_side=config.link.max_side) as reader:
        on_open(reader.format, reader.notes)
        is_cut = CutDetector(config.message.cuts)
        for choice in choose_keyframes(reader, reader.format, config.keyframes, score, is_cut):
            last = choice.frame.index
            if choice.cut:
                cuts.append(last)
            if choice.divergence is not None:
                curve.append((last, choice.divergence))
            if choice.keyframe:
                keyframes.append(KeyframeReason(last, choice.divergence, why(choice, config.keyframes.threshold)))
            if on_progress:
                on_progress(last + 1, reader.format.frames)
        on_open(reader.format, reader.notes)
    if last != keyframes[-1].index:
        keyframes.append(KeyframeReason(last, None, "last frame"))
    spared = score.spared if isinstance(score, StillFilter) else 0
    fps = float(reader.format.fps)
    return Keyframes(
        keyframes,
        curve,
        config.keyframes.threshold,
        fps,
        similarity.cost,
        spared,
        frames=last + 1,
        seconds=time.perf_counter() - started,
        processor_seconds=time.process_time() - at_work,
        notes=reader.notes,
        cuts=cuts,
    )


def why(choice: Choice, threshold: float) -> str:
    """What made a frame a keyframe, in a word or two."""
    if choice.frame.index == 0:
        return "first frame"
    if choice.divergence is not None and choice.divergence > threshold:
        return "new meaning, at a hard cut" if choice.cut else "new meaning"
    role = choice.seen.role if choice.seen is not None else ""
    roles = {"arrival": "a picture has come", "departure": "the last before it goes", "bend": "an uneven fade"}
    return roles.get(role, "length")


def score_pictures(first: Path, second: Path, config: Config, on_note: Callable[[str], None] = lambda _: None) -> Score:
    """PSSS of two picture files, with the focus of the configuration.

    Args:
        on_note: Called with a sentence for everything that was changed on reading.

    Raises:
        InputError: A file is no picture, or the two differ in size.
    """
    require_files((first, second), "a picture")
    pictures = [read_picture(path, on_note) for path in (first, second)]
    if pictures[0].shape != pictures[1].shape:
        sizes = [f"{p.shape[1]}x{p.shape[0]}" for p in pictures]
        raise InputError(f"{first} is {sizes[0]} and {second} is {sizes[1]}; compare pictures of one size")
    refuse_strip(str(first), pictures[0].shape[1], pictures[0].shape[0])
    return build.psss(config).divergence(Frame(0, pictures[0]), Frame(1, pictures[1]))


def calibrate(
    folder: Path,
    config: Config,
    *,
    cbr: float | None = None,
    keyframes: float | None = None,
    limit: int = 0,
    on_progress: Progress | None = None,
    on_notes: Callable[[Path, list[str]], None] = lambda *_: None,
) -> tuple[Calibration, StoredThreshold]:
    """The threshold that meets a target, mean over the clips of a folder.

    Args:
        folder: Where the clips are; files that are no video are passed over.
        config: Everything but the threshold.
        cbr, keyframes: The target, one of the two: CBR, or keyframes of a clip.
        limit: Take at most so many clips, evenly from the sorted folder; 0 takes all.
        on_notes: Called with each clip and what was changed on reading it.

    Returns:
        What was found, and the threshold with the identity of the score that it holds for.

    Raises:
        InputError: It is no folder, or there is no video in it.
    """
    require_folder(folder, "clips")
    similarity = build.psss(config)
    score = build.divergence_of(similarity, config)
    prices = Prices(keyframe_cbr=config.coding.keyframe_cbr, segment_symbols=segment_symbols(config))
    clips = sorted(path for path in folder.iterdir() if path.is_file())
    if limit:
        clips = clips[:: max(1, len(clips) // limit)][:limit]
    curves = []
    for done, clip in enumerate(clips, 1):
        try:
            reader = VideoReader(clip, max_side=config.link.max_side)
        except InputError:
            continue
        with reader:
            curves.append(clip_curve(reader, reader.format, config.keyframes, score))
            on_notes(clip, reader.notes)
        if on_progress:
            on_progress(done, len(clips))
    if not curves:
        raise InputError(f"{folder} holds no video to calibrate on")
    found = calibrate_threshold(curves, cbr=cbr, keyframes=keyframes, prices=prices)
    reached = asdict(found.chosen)
    stored = StoredThreshold(
        threshold=reached.pop("threshold"),
        identity=build.score_identity(config, similarity),
        target=("cbr", cbr) if cbr is not None else ("keyframes", keyframes or 0.0),
        reached=reached,
        clips=len(curves),
    )
    return found, stored


def measure_files(
    source: Path,
    rebuilt: Path,
    names: Sequence[str],
    *,
    every: int = 1,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Any metrics of any two videos of one size, frame by frame; memory does not grow with their length.

    Frames are paired by number. Where one video is longer, its other frames are left out: ``frames_of`` tells the
    length of each, and VMAF, which has its own pairing, is absent.

    Args:
        names: Of :data:`lgvsc.metrics.registry.METRICS`.
        every: Measure one frame in so many.

    Returns:
        What ``lgvsc measure --json`` prints: a value for each metric by its key, ``details`` and ``absent`` by key,
        ``frames`` compared, ``notes`` on what was changed on reading each.

    Raises:
        InputError: One of them is no video, or their sizes differ.
        ConfigError: An unknown metric, or ``every`` below one.
    """
    require_files((source, rebuilt), "a video")
    meter = VideoMeter(names, every=every, look_every=every, describe=describe_pixels)
    counts = [0, 0]
    with VideoReader(source) as true, VideoReader(rebuilt) as made:
        sizes = [(reader.format.width, reader.format.height) for reader in (true, made)]
        if sizes[0] != sizes[1]:
            raise InputError(
                f"{source} has {sizes[0][0]}x{sizes[0][1]} pixels and {rebuilt} {sizes[1][0]}x{sizes[1][1]}; metrics "
                "compare frames of one size, so scale one of them first"
            )
        for one, other in zip_longest(true, made):
            counts[0] += one is not None
            counts[1] += other is not None
            if one is not None and other is not None:
                meter.add(one.pixels, other.pixels)
                if on_progress:
                    on_progress(counts[0], true.format.frames)
        notes = {"source": true.notes, "rebuilt": made.notes}
    if counts[0] == counts[1]:
        meter.add_files(source, rebuilt)
    else:
        for name in ("vmaf", "vmaf_neg"):
            meter.leave_out(name, f"the videos have {counts[0]} and {counts[1]} frames; VMAF needs as many of each")
    measured = meter.result().as_json()
    return {
        "frames": min(counts),
        "frames_of": {"source": counts[0], "rebuilt": counts[1]},
        "notes": notes,
        "every": every,
    } | measured
