"""Recipes at work: clips cut to a paper's setting, transmissions that are made once, a table and a figure of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lgvsc import kinds
from lgvsc.config import Config, load_config
from lgvsc.core.files import refuse_doubles
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import VideoReader
from lgvsc.errors import ConfigError, InputError, LgvscError
from lgvsc.experiments.clips.excerpts import sampled
from lgvsc.experiments.clips.sample_clip import make_sample_clip
from lgvsc.experiments.compare import Cell, compare
from lgvsc.experiments.compare_plots import (
    LABELS,
    LOOKS,
    WIDTH_IN,
    counted,
    draw,
    save,
    stacked,
    styled,
    with_legend,
)
from lgvsc.experiments.compare_table import Mean, Point, Row, half_width_95, mean_of
from lgvsc.experiments.data import clips_of, is_manifest
from lgvsc.experiments.recipe import ClipPlan, Line, Recipe
from lgvsc.metrics.registry import BY_COLUMN, DEFAULT
from lgvsc.record import fingerprint
from lgvsc.schemes.gvsc_rates import paper_symbols, published_rates
from lgvsc.training.pictures import CLIPS, held_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = "transmissions.csv"
SAMPLE_S = 10.0  # of the sample clip
NAMES = {**LABELS, "clip_score": "CLIP score", "bert_score": "BERT score"}

OnRow = Callable[[Row, int, int], None]
OnClip = Callable[[Path, list[str]], None]


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of a recipe.

    Attributes:
        header, cells: The table for people.
        notes: What must be known with it, a sentence each.
        files: What was written.
        failed: Rows without results.
    """

    header: list[str]
    cells: list[list[str]]
    notes: list[str]
    files: list[Path] = field(default_factory=list)
    failed: list[Row] = field(default_factory=list)


def reproduce(
    recipe: Recipe,
    sources: Sequence[Path],
    folder: Path,
    *,
    jobs: int = 1,
    on_row: OnRow | None = None,
    on_notes: OnClip = lambda *_: None,
) -> Reproduction:
    """Make what a recipe describes.

    Args:
        sources: Video files, folders of them, or manifests of `lgvsc data`; empty takes the sample clip of the demo.
        folder: Where clips, transmissions and figures go. Transmissions that are in it are not made again.
        jobs: Processes.
        on_row: Called with each new transmission, the number done and of all.
        on_notes: Called with each source and what was changed on reading it, or why it is left out.

    Raises:
        ConfigError: A recipe that trains, and no folder of pictures and clips.
        InputError: There is no video, or none that is long enough.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if recipe.kind == "sketch-loss":
        return sketch_loss(recipe, sources, folder)
    for line in recipe.lines:  # a setting that is none is said before any work
        configured(recipe, line, recipe.snr_db[0])
    clips, left_out = prepare_clips(recipe.clips, sources, folder / "clips", on_notes)
    made = rates(recipe, clips) if recipe.kind == "rates" else quality(recipe, clips, folder, jobs, on_row)
    made.notes.extend(left_out)
    return made


# Clips


def prepare_clips(
    plan: ClipPlan, sources: Sequence[Path], folder: Path, on_notes: OnClip = lambda *_: None
) -> tuple[list[Path], list[str]]:
    """The clips that are sent, as files of their own, and a sentence for each that is left out.

    A source that is too short, or no video after all, does not keep the others from being sent.
    """
    cut = partial(sampled, folder=folder, frames=plan.frames, fps=plan.fps, side=plan.side)
    if not sources:
        folder.mkdir(parents=True, exist_ok=True)
        sample = folder / "sample.mp4"
        if not sample.is_file():
            make_sample_clip(sample, duration_s=SAMPLE_S)
        each_s = plan.frames / plan.fps
        starts = [each_s * place for place in range(int(SAMPLE_S / each_s))]
        return [cut(sample, start_s=start) for start in chosen(starts, plan.count)], []
    files = chosen(list(dict.fromkeys(found(sources, plan.held_out))), plan.count)
    if not files:
        only = " that was held out of training (by its name)" if plan.held_out else ""
        raise InputError(f"{', '.join(map(str, sources))}: there is no video{only}")
    refuse_doubles(files, "clips")
    clips, left_out = [], []
    for file in files:
        try:
            clips.append(cut(file, on_notes=partial(on_notes, file)))
        except InputError as error:
            on_notes(file, [f"left out: {error}"])
            left_out.append(f"left out: {error}")
    if not clips:
        raise InputError(f"no clip can be taken: {left_out[0].removeprefix('left out: ')}")
    return clips, left_out


def found(sources: Iterable[Path], held_out_only: bool) -> Iterable[Path]:
    """Files as they are given; of folders those with the suffix of a video, of manifests their test split."""
    for source in sources:
        if source.is_dir():
            inside = sorted(path for path in source.rglob("*") if path.suffix.lower() in CLIPS)
            yield from (path for path in inside if held_out(path) or not held_out_only)
        elif is_manifest(source):
            yield from (path for path in clips_of(source) if held_out(path) or not held_out_only)
        else:
            yield source


def chosen(items: Sequence[Any], count: int) -> list[Any]:
    """``count`` of some things, evenly spread; all where ``count`` is 0 or more than there are."""
    if not count or count >= len(items):
        return list(items)
    return [items[(2 * place + 1) * len(items) // (2 * count)] for place in range(count)]


# Quality over SNR


def quality(recipe: Recipe, clips: Sequence[Path], folder: Path, jobs: int, on_row: OnRow | None) -> Reproduction:
    """Send all clips by all lines, and draw the metric over SNR."""
    reasons = {line.label: unavailable(line, recipe) for line in recipe.lines}
    lines = [line for line in recipe.lines if not reasons[line.label]]
    pairs = [(line, cell) for line in lines for cell in cells_of(recipe, line, clips)]
    by_clip = sorted(pairs, key=lambda pair: pair[1].clip)  # a grid that is stopped has whole clips
    rows = compare([cell for _, cell in by_clip], folder / TABLE, jobs=jobs, on_row=on_row)
    results: dict[str, list[Row]] = {}
    for (line, _), row in zip(by_clip, rows, strict=True):
        results.setdefault(line.label, []).append(row)
    means = {label: means_over_snr(label, mine) for label, mine in results.items()}
    notes = [f"{label} is left out: {reason}" for label, reason in reasons.items() if reason]
    if recipe.absent:
        notes.append(f"{NAMES[recipe.metric]} is absent: {recipe.absent}; nothing stands in for it")
    header, cells = quality_table(recipe, means)
    if recipe.drawn:
        notes += orderings(recipe, results)
    made = Reproduction(header, cells, notes, [folder / TABLE], [row for row in rows if row.error])
    if recipe.metric:
        try:
            with styled():
                made.files.extend(save(quality_figure(recipe, means), folder / recipe.name))
        except FileNotFoundError as error:
            notes.append(f"no figure: {error}")
    return made


def configured(recipe: Recipe, line: Line, snr_db: float) -> Config:
    """The configuration of a line at an SNR. What the line says has the last word."""
    own: dict[str, Any] = {"seed": recipe.seed, "channel.snr_db": snr_db}
    if recipe.drawn and BY_COLUMN[recipe.drawn].name not in DEFAULT:
        own["link.metrics"] = [*DEFAULT, BY_COLUMN[recipe.drawn].name]
    if line.cbr is not None:
        own["coding.budget"] = f"{line.cbr:g}cbr"
    if line.mode:
        own["conventional.mode"] = line.mode
    return load_config(recipe.preset, line.scheme, {**recipe.settings, **own, **line.settings})


def cells_of(recipe: Recipe, line: Line, clips: Sequence[Path]) -> list[Cell]:
    """The transmissions of a line."""
    return [
        Cell(
            clip=clip,
            sha256=digest(clip),
            config=configured(recipe, line, snr_db),
            mode=line.mode or ("free" if line.cbr is None else "adaptive"),
            cbr_target=line.cbr,
            trial=trial,
        )
        for clip in clips
        for snr_db in recipe.snr_db
        for trial in range(recipe.trials)
    ]


@cache
def digest(clip: Path) -> str:
    """What tells a clip from another of the same name."""
    return fingerprint(clip)


def unavailable(line: Line, recipe: Recipe) -> str:
    """Why a line cannot be sent here; empty where it can."""
    config = configured(recipe, line, recipe.snr_db[0])
    try:
        kinds.kind_of(line.scheme).probe(config)
    except LgvscError as error:
        return str(error)
    return ""


def means_over_snr(label: str, rows: Iterable[Row]) -> list[Mean]:
    """Means over clips and trials, by rising SNR."""
    groups: dict[float, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.snr_db, []).append(row)
    return [mean_of(Point(label, snr_db, None), groups[snr_db]) for snr_db in sorted(groups)]


def quality_table(recipe: Recipe, means: Mapping[str, list[Mean]]) -> tuple[list[str], list[list[str]]]:
    """A row for each line: its CBR over all SNRs, and the metric with half of its 95 % interval at each."""
    metric = recipe.drawn
    header = ["scheme", "n", "CBR", *(f"{snr:g} dB" for snr in recipe.snr_db)]
    if metric:
        header[0] = f"{LABELS[metric]} of"
    cells = []
    for label, line in means.items():
        cbrs = [mean.values["cbr"] for mean in line if mean.values["cbr"] is not None]
        at = {mean.point.snr_db: mean for mean in line}
        span = f"{min(cbrs):.2e}" + (f" to {max(cbrs):.2e}" if max(cbrs) > 1.005 * min(cbrs) else "") if cbrs else "-"
        counts = sorted({mean.n for mean in line})
        shown = [shown_mean(at.get(snr), metric) for snr in recipe.snr_db]
        cells.append([label, "-".join(map(str, counts)), span, *shown])
    return header, cells


def shown_mean(mean: Mean | None, metric: str) -> str:
    """A mean with half of its interval; a star where something was lost on the way."""
    value = mean.values[metric] if mean and metric else None
    if mean is None or value is None:
        return "-"
    digits = f".{BY_COLUMN[metric].digits}f"
    half = mean.half_widths[metric]
    return format(value, digits) + ("" if half is None else f"±{half:{digits}}") + ("*" if mean.damaged else "")


def orderings(recipe: Recipe, results: Mapping[str, Sequence[Row]]) -> list[str]:
    """In how many transmissions, and by how much, each label of ``recipe.order`` is above the next."""
    said = []
    metric = recipe.drawn
    present = [label for label in recipe.order if label in results]
    for above, below in pairwise(present):
        for snr_db in recipe.snr_db:
            pairs = [
                {(row.clip, row.trial): getattr(row, metric) for row in results[label] if row.snr_db == snr_db}
                for label in (above, below)
            ]
            both = [key for key in pairs[0] if pairs[0][key] is not None and pairs[1].get(key) is not None]
            gains = [pairs[0][key] - pairs[1][key] for key in both]
            if not gains:
                continue
            by = f"{fmean(gains):+.3f}"
            half = half_width_95(gains)
            by += "" if half is None else f"±{half:.3f}"
            won = sum(gain > 0 for gain in gains)
            said.append(f"{above} above {below} at {snr_db:g} dB in {won} of {len(gains)}, by {by}")
    return said


def quality_figure(recipe: Recipe, means: Mapping[str, list[Mean]]) -> Figure:
    """One panel over SNR, as the paper draws it; without its metric, it says so in the picture."""
    figure, (axes,) = stacked(1)
    figure.set_size_inches(WIDTH_IN, 2.9)
    metric = recipe.drawn
    for (label, line), look in zip(means.items(), LOOKS, strict=False):
        good = [mean for mean in line if metric and mean.values[metric] is not None]
        draw(axes, [mean.point.snr_db for mean in good], good, metric, label, look)
    axes.set_xlabel("$E_s/N_0$ (dB)")
    axes.set_xlim(min(recipe.snr_db) - 0.5, max(recipe.snr_db) + 0.5)
    if recipe.absent:
        axes.set_title(f"{NAMES[recipe.metric]}: absent, its weights are not here", pad=3)
    else:
        axes.set_title(f"{recipe.title.split(':')[0]}{counted([m for line in means.values() for m in line])}", pad=3)
    axes.set_ylabel(LABELS[metric] if metric else f"{NAMES[recipe.metric]} (absent)")
    if not metric:
        axes.set_yticks([])
    return with_legend(figure, [axes])


# Rates


def rates(recipe: Recipe, clips: Sequence[Path]) -> Reproduction:
    """The paper's rates beside what lgvsc sends, by the paper's accounting and as everything is counted."""
    header = ["scheme", "printed", "its symbols", "exact CBR", "ours, its way"]
    header += [f"{rule} {snr:g} dB" for rule in ("turbo,", "adaptive,") for snr in recipe.snr_db]
    cells, notes = [], []
    for row in published_rates():
        cells.append(
            [row.label, f"{row.stated_cbr:g}", f"{row.symbols:.2f}", f"{row.cbr:.2e}", *(["-"] * (len(header) - 4))]
        )
        if not row.described:
            continue
        line = Line(label=row.label, scheme=row.scheme)
        if reason := unavailable(line, recipe):
            notes.append(f"{row.label} is not measured: {reason}")
            continue
        sent = [
            [sent_rates(configured_rate(row.scheme, preset, snr_db), clip) for clip in clips]
            for preset in ("gvsc-compact", "compact")
            for snr_db in recipe.snr_db
        ]
        cells[-1][4] = f"{fmean(one.by_paper for one in sent[0]):.2e}"
        cells[-1][5:] = [f"{fmean(one.measured for one in column):.2e}" for column in sent]
        words = fmean(one.characters for one in sent[0])
        bits = fmean(one.caption_bits for one in sent[0])
        notes.append(f"{row.label}: descriptions have {words:.1f} characters and {bits:.1f} bits on average")
    notes.insert(
        0,
        f"n = {len(clips)} clips of {recipe.clips.frames} frames, {recipe.clips.side}x{recipe.clips.side} at "
        f"{recipe.clips.fps} fps. Its way: a character is a token of 8 bits; only words and analogue symbols count",
    )
    notes.insert(
        1,
        "Turbo and adaptive: all that is sent counts, preamble and control too, under GVSC's text code and under the "
        "one that the SNR asks for",
    )
    return Reproduction(header, cells, notes)


@dataclass(frozen=True, slots=True)
class SentRates:
    """What one clip cost: CBR as everything is counted and as GVSC counts, and how long its words are."""

    measured: float
    by_paper: float
    characters: int
    caption_bits: int


def configured_rate(scheme: str, preset: str, snr_db: float) -> Config:
    """A scheme of GVSC's grid as its rates are counted: words and pictures every two seconds, nothing else."""
    plain = {
        "message.send_motion": False,
        "message.send_colours": False,
        "keyframes.method": "skim",
        "keyframes.interval_s": 2.0,
    }
    return load_config(preset, scheme, plain | {"channel.snr_db": snr_db})


def sent_rates(config: Config, clip: Path) -> SentRates:
    """Send a clip, to nobody, and count."""
    segments, bursts = [], []
    with VideoReader(clip) as reader:
        for segment, burst in kinds.scheme(config).transmit(reader, reader.format):
            segments.append(segment)
            bursts.append(burst)
        ledger = Ledger.of(bursts, segments[-1].video)
    captions = [segment.caption for segment in segments]
    share = paper_symbols(ledger, captions)["total"] / ledger.symbols["total"]
    bits = sum(entry.payload_bits for entry in ledger.entries if entry.purpose == "captions")
    return SentRates(ledger.cbr, ledger.cbr * share, sum(len(caption or "") for caption in captions), bits)


# The loss of the sketch code


def sketch_loss(recipe: Recipe, sources: Sequence[Path], folder: Path) -> Reproduction:
    """Train the sketch code once for each k of GVSC's Fig. 7, briefly and alike, and compare what arrives.

    Trainings that are in the folder whole are not made again.
    """
    if len(sources) != 1 or not sources[0].is_dir():
        raise ConfigError(f"{recipe.name} trains, so it needs one folder of pictures and clips: --clips FOLDER")
    at = {(row["k"], row["snr_db"]): row for row in losses(recipe, sources[0], folder / "losses")}
    ks = sorted({k for k, _ in at})
    header = ["k", *(f"{snr:g} dB" for snr in recipe.snr_db)]
    cells = [[f"{k:g}", *(in_words(at[k, snr]) for snr in recipe.snr_db)] for k in ks]
    notes = [
        f"{NAMES[recipe.metric]} is absent: {recipe.absent}; nothing stands in for it",
        "shown are PSNR in dB / MS-SSIM / F-measure of contours of sketches never trained on, after "
        f"{recipe.steps} steps for each k",
    ]
    made = Reproduction(header, cells, notes)
    try:
        with styled():
            made.files.extend(save(loss_figure(recipe, ks, at), folder / recipe.name))
    except FileNotFoundError as error:
        notes.append(f"no figure: {error}")
    return made


def losses(recipe: Recipe, data: Path, folder: Path) -> list[dict[str, Any]]:
    """A row for each k and SNR."""
    from lgvsc.training.codes import deepjscc

    table = folder / "ablation.json"
    rows = json.loads(table.read_text(encoding="utf-8")) if table.is_file() else []
    wanted = {(k, snr_db) for k in deepjscc.ABLATED_K for snr_db in recipe.snr_db}
    if not wanted <= {(row["k"], row["snr_db"]) for row in rows if row["steps"] == recipe.steps}:
        measured = tuple((deepjscc.SKETCH.sent[0], snr_db) for snr_db in recipe.snr_db)
        config = replace(deepjscc.SKETCH, steps=recipe.steps, seed=recipe.seed, measured=measured)
        folder.mkdir(exist_ok=True)
        found = deepjscc.material(data, config, deepjscc.extractor(None), folder / "sketches.npz")
        rows = deepjscc.ablate(config, "sketch", found.pool, folder, found.held_back)
    return [row for row in rows if row["snr_db"] in recipe.snr_db]


def in_words(row: Mapping[str, Any]) -> str:
    """What arrives of sketches."""
    return f"{row['psnr_db']:.2f} / {row['ms_ssim']:.3f} / {row['contour_f']:.3f}"


def loss_figure(recipe: Recipe, ks: Sequence[float], at: Mapping[tuple[float, float], Mapping[str, Any]]) -> Figure:
    """MS-SSIM of sketches over SNR, one curve for each k."""
    figure, (axes,) = stacked(1)
    figure.set_size_inches(WIDTH_IN, 2.9)
    for k, (colour, marker, dashes) in zip(ks, LOOKS, strict=False):
        y = [at[k, snr]["ms_ssim"] for snr in recipe.snr_db]
        axes.plot(recipe.snr_db, y, color=colour, marker=marker, linestyle=dashes, label=f"k = {k:g}")
    axes.set_xlabel("$E_s/N_0$ (dB)")
    axes.set_ylabel("MS-SSIM of sketches")
    axes.set_title(f"{NAMES[recipe.metric]}: absent, its weights are not here", pad=3)
    return with_legend(figure, [axes])
