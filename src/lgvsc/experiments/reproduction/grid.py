"""Clips sent by lines over SNRs: what stands behind most figures and tables of both papers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from lgvsc.channel.common import child_generator
from lgvsc.config import load_config
from lgvsc.core.video import VideoReader
from lgvsc.errors import ConfigError
from lgvsc.experiments.compare import Cell, compare
from lgvsc.experiments.compare_table import Row, half_width_95
from lgvsc.experiments.jobs.workers import HERE, Workers
from lgvsc.experiments.recipe import Line, Recipe
from lgvsc.experiments.reproduction import figures
from lgvsc.experiments.reproduction.clips import Footage, described
from lgvsc.experiments.reproduction.names import NAMES
from lgvsc.experiments.reproduction.needs import absent, drawn, line_config, unavailable
from lgvsc.experiments.reproduction.result import Reproduction, Value, value_of
from lgvsc.experiments.reproduction.tasks import task_values
from lgvsc.metrics.measuring import VideoMeter
from lgvsc.record import fingerprint

TABLE = "transmissions.csv"
REBUILT = "rebuilt"
OF_ENDS = {"psnr_db", "ssim"}  # what is measured of the ends of a video
MATCHED = 1.02  # times a rate at most, to be called matched to it

OnRow = Callable[[Row, int, int], None]


@dataclass(frozen=True, slots=True)
class SentCell:
    """A cell of the grid, whose it is, and what came of it."""

    label: str
    clip: Footage
    cell: Cell
    row: Row

    @property
    def snr_db(self) -> float:
        return self.row.snr_db

    @property
    def video(self) -> Path | None:
        """What was rebuilt, where it is kept."""
        return self.cell.keep

    @property
    def key(self) -> str:
        """Digest of everything that it depends on."""
        return self.cell.key


def grid(
    recipe: Recipe, clips: Sequence[Footage], folder: Path, *, workers: Workers = HERE, on_row: OnRow | None = None
) -> Reproduction:
    """Send all clips by all lines, and measure and draw what the recipe asks for."""
    made = Reproduction(recipe, absent=absent(recipe, clips))
    reasons = {line.label: unavailable(line, recipe) for line in recipe.lines}
    lines = [line for line in recipe.lines if not reasons[line.label]]
    made.notes += [f"{label} is left out: {reason}" for label, reason in reasons.items() if reason]
    sent = send(recipe, lines, clips, folder, workers, on_row)
    made.failed = [one.row for one in sent if one.row.error]
    made.files.append(folder / TABLE)
    made.values += values_of(recipe, lines, sent)
    if recipe.tasks:
        values, notes = task_values(recipe, [one for one in sent if not one.row.error], clips, folder, made.absent)
        made.values += values
        made.notes += notes
    made.notes += beyond(lines, sent)
    for line in lines:
        if line.ends and OF_ENDS & set(recipe.wanted):
            made.values += ends_of(line, [one for one in sent if one.label == line.label], made.notes)
    if metrics := drawn(recipe, clips):
        made.notes += orderings(recipe, sent, metrics[0])
    figures.write(made, folder, [line.label for line in lines], partial(pictures_of, recipe, clips, sent))
    return made


def send(
    recipe: Recipe,
    lines: Sequence[Line],
    clips: Sequence[Footage],
    folder: Path,
    workers: Workers,
    on_row: OnRow | None,
) -> list[SentCell]:
    """Send what is not in the table yet. Lines that are matched to another one wait for it."""
    by_label = {line.label: line for line in lines}
    total = len(lines) * len(clips) * len(recipe.snr_db) * recipe.trials
    sent: list[SentCell] = []

    def report(before: int, row: Row, done: int, of: int) -> None:
        if on_row:
            on_row(row, before + done, total)

    for matched in (False, True):
        ready = [line for line in lines if bool(line.matched_to in by_label) == matched]
        spent = {(one.label, one.clip.path, one.row.snr_db, one.row.trial): one.row.cbr for one in sent}
        wanted = [
            (line.label, clip, cell)
            for clip in clips  # a grid that is stopped has whole clips
            for line in ready
            for cell in cells_of(recipe, line, clip, folder, spent)
        ]
        cells = [cell for _, _, cell in wanted]
        rows = compare(cells, folder / TABLE, workers=workers, on_row=partial(report, len(sent)))
        sent += [SentCell(label, clip, cell, row) for (label, clip, cell), row in zip(wanted, rows, strict=True)]
    places = {line.label: place for place, line in enumerate(lines)}
    return sorted(sent, key=lambda one: places[one.label])


def cells_of(
    recipe: Recipe,
    line: Line,
    clip: Footage,
    folder: Path,
    spent: Mapping[tuple[str, Path, float, int], float | None] | None = None,
) -> list[Cell]:
    """The transmissions of a clip by a line.

    Args:
        spent: CBR of what was sent before, for lines that are matched to it.
    """
    cells = []
    for snr_db in recipe.snr_db:
        for trial in range(recipe.trials):
            target = line.cbr
            if line.matched_to and spent is not None:
                target = spent.get((line.matched_to, clip.path, snr_db, trial)) or line.cbr
            config = described(recipe, clip, line_config(recipe, replace(line, cbr=target), snr_db))
            if line.keyframes:
                count = drawn_count(line, recipe.seed, digest(clip.path))
                settings = replace(config.keyframes, segments=count - config.message.send_closing)
                config = config.model_copy(update={"keyframes": settings})
            mode = line.mode or ("free" if target is None else "adaptive")
            cell = Cell(
                clip=clip.path, sha256=digest(clip.path), config=config, mode=mode, cbr_target=target, trial=trial
            )
            keep = recipe.tasks or recipe.shown or (line.ends and OF_ENDS & set(recipe.wanted))
            cells.append(replace(cell, keep=folder / REBUILT / f"{cell.key}.mp4") if keep else cell)
            if keep:
                (folder / REBUILT).mkdir(parents=True, exist_ok=True)
    return cells


def drawn_count(line: Line, seed: int, sha256: str) -> int:
    """How many keyframes a clip gets: one of the line's numbers, by the seed and the clip alone."""
    drawn_at = int(child_generator(seed, "keyframes", sha256).initial_seed())
    return line.keyframes[drawn_at % len(line.keyframes)]


@cache
def digest(clip: Path) -> str:
    """What tells a clip from another of the same name."""
    return fingerprint(clip)


def values_of(recipe: Recipe, lines: Sequence[Line], sent: Sequence[SentCell]) -> list[Value]:
    """Means over clips and trials of all that was sent, for each metric that the rows have."""
    metrics = [metric for metric in dict.fromkeys((*recipe.wanted, *drawn(recipe), "cbr")) if metric in ROW_METRICS]
    values = []
    for line in lines:
        for snr_db in recipe.snr_db:
            rows = [one.row for one in sent if one.label == line.label and one.row.snr_db == snr_db]
            good = [row for row in rows if not row.error]
            damaged = sum(bool(row.lost) for row in good)
            for metric in metrics:
                found = [value for row in good if (value := measured(row, metric)) is not None]
                values.append(value_of(line.label, metric, found, snr_db, 0 if metric in UNDAMAGED else damaged))
    return values


UNDAMAGED = ("cbr", "arrived")  # what channel errors do not change, or what counts them
ROW_METRICS = {*Row.__slots__, "arrived"}


def measured(row: Row, metric: str) -> float | None:
    """What a row has of a metric; ``arrived``: 1 where nothing was lost, else 0."""
    if metric == "arrived":
        return float(not row.lost and not row.missing)
    value = getattr(row, metric)
    return None if value is None else float(value)


def beyond(lines: Sequence[Line], sent: Sequence[SentCell]) -> list[str]:
    """Where a line that is matched to another one could not keep to its rate, as its keyframes cost more."""
    said = []
    for line in lines:
        rows = [one.row for one in sent if line.matched_to and one.label == line.label]
        times = [row.cbr / row.cbr_target for row in rows if row.cbr and row.cbr_target]
        if above := [ratio for ratio in times if ratio > MATCHED]:
            said.append(
                f"{line.label} is above the CBR of {line.matched_to} in {len(above)} of {len(times)} transmissions, "
                f"up to {max(above):.2f} times it: so many keyframes take at least that"
            )
    return said


def ends_of(line: Line, sent: Sequence[SentCell], notes: list[str]) -> list[Value]:
    """PSNR and SSIM of the first and of the last frames, where errors pile up, and of both together."""
    values: list[Value] = []
    parts = ("first", "last", "first and last")
    for snr_db in sorted({one.row.snr_db for one in sent}):
        here = [one for one in sent if one.row.snr_db == snr_db and not one.row.error and one.cell.keep]
        found: dict[tuple[str, str], list[float]] = {}
        for one in here:
            assert one.cell.keep is not None
            ends = measure_ends(one.clip.path, one.cell.keep, line.ends, one.cell.config.link.max_side)
            for metric in sorted(OF_ENDS):
                pair = [end[metric] for end in ends if end[metric] is not None]
                for part, value in zip(parts, [*pair, fmean(pair)] if len(pair) == 2 else [], strict=False):
                    found.setdefault((part, metric), []).append(value)
        values += [
            value_of(f"{line.label}, {part} {line.ends} frames", metric, those, snr_db)
            for (part, metric), those in found.items()
        ]
    notes.append(
        f"{line.label}, first and last {line.ends} frames: of the written file; of a clip of fewer than "
        f"{2 * line.ends} frames, its halves"
    )
    return values


def measure_ends(source: Path, rebuilt: Path, count: int, max_side: int = 0) -> list[dict[str, Any]]:
    """PSNR and SSIM of the first ``count`` frames and of the last, or of the halves of a short video."""
    with VideoReader(source) as reader:
        total = sum(1 for _ in reader)
    count = min(count, max(1, total // 2))
    meters = [VideoMeter(("psnr", "ssim")) for _ in range(2)]
    with VideoReader(source, max_side=max_side) as true, VideoReader(rebuilt) as made:
        for ours, theirs in zip(made, true, strict=False):
            if ours.index < count:
                meters[0].add(theirs.pixels, ours.pixels)
            if ours.index >= total - count:
                meters[1].add(theirs.pixels, ours.pixels)
    return [meter.result().values for meter in meters]


def orderings(recipe: Recipe, sent: Sequence[SentCell], metric: str) -> list[str]:
    """In how many transmissions, and by how much, each label of ``recipe.order`` is better than the next."""
    if metric not in ROW_METRICS:
        return []
    said = []
    lower = NAMES[metric].direction == "lower"
    labels = {one.label for one in sent}
    present = [label for label in recipe.order if label in labels]
    for above, below in pairwise(present):
        for snr_db in recipe.snr_db:
            pairs = [
                {
                    (one.row.clip, one.row.trial): measured(one.row, metric)
                    for one in sent
                    if one.label == label and one.row.snr_db == snr_db
                }
                for label in (above, below)
            ]
            gains = [a - b for key, a in pairs[0].items() if a is not None and (b := pairs[1].get(key)) is not None]
            if not gains:
                continue
            half = half_width_95(gains)
            by = f"{fmean(gains):+.3f}" + ("" if half is None else f"±{half:.3f}")
            won = sum((gain < 0) if lower else (gain > 0) for gain in gains)
            word = "below" if lower else "above"
            said.append(
                f"{NAMES[metric].label}: {above} {word} {below} at {snr_db:g} dB in {won} of {len(gains)}, by {by}"
            )
    return said


def pictures_of(recipe: Recipe, clips: Sequence[Footage], sent: Sequence[SentCell]) -> figures.Sheet:
    """Frames of the first clip, as it was and as it arrived by each line at each SNR."""
    first = clips[0]
    rows: list[tuple[str, list[Any]]] = [("source", frames_of(first.path, recipe.shown))]
    for one in sent:
        if one.clip == first and one.row.trial == 0 and not one.row.error and one.cell.keep:
            at = f", {one.row.snr_db:g} dB" if len(recipe.snr_db) > 1 else ""
            rows.append((one.label + at, frames_of(one.cell.keep, recipe.shown)))
    return figures.Sheet(rows, [f"frame {place}" if place >= 0 else "last frame" for place in recipe.shown])


def frames_of(video: Path, places: Sequence[int]) -> list[Any]:
    """Frames by their numbers, negative ones from the end; ``None`` where the video is too short."""
    with VideoReader(video) as reader:
        frames = [frame.pixels for frame in reader]
    return [frames[place] if -len(frames) <= place < len(frames) else None for place in places]


def fixed_rates(recipe: Recipe, clips: Sequence[Footage], folder: Path, **more: Any) -> Reproduction:
    """A grid of standard codecs with the parameters of LGVSC's Table I, and these parameters."""
    made = grid(recipe, clips, folder, **more)
    parameters = []
    for line in recipe.lines:
        for snr_db in recipe.snr_db:
            row = line_config(recipe, line, snr_db).paper_row
            if row is None or line.settings:  # under another reading of the SNR they are the same
                continue
            of = {"qp": row.qp, "gop_frames": row.gop_frames, "code_rate": row.code_rate, "qam": 2**row.bits_per_symbol}
            parameters += [
                Value(series=line.label, metric=metric, snr_db=snr_db, value=float(value))
                for metric, value in of.items()
            ]
    for line in recipe.lines:
        for snr_db in recipe.snr_db:
            config = line_config(recipe, line, snr_db)
            if (row := config.paper_row) and row.above_capacity(snr_db, config.channel.snr_def):
                made.notes.append(
                    f"{line.label} at {snr_db:g} dB carries {row.efficiency:.2f} bits a symbol at Es/N0 "
                    f"{config.esn0_db:.1f} dB, above the capacity of the channel: no code can bring it through"
                )
    made.values = parameters + made.values
    return made


def combinations(recipe: Recipe, clips: Sequence[Footage], folder: Path, **more: Any) -> Reproduction:
    """A grid, the combination that is refused, and whether SKIM does the same with both adapters."""
    made = grid(recipe, clips, folder, **more)
    try:
        load_config(recipe.preset, "skem-sfa")
    except ConfigError as error:
        made.notes.append(f"SKEM+SFA is refused: {error}")
    by = {(v.series, v.metric): v.value for v in made.values}
    apart = [
        abs(first - second)
        for metric in recipe.wanted
        if (first := by.get(("SKIM+SFA", metric))) is not None and (second := by.get(("SKIM+DSA", metric))) is not None
    ]
    if apart:
        same = "the same" if max(apart) == 0 else f"not the same; they differ by {max(apart):.3g} at most"
        made.notes.append(f"SKIM+DSA against SKIM+SFA, all metrics of this table: {same}")
    return made
