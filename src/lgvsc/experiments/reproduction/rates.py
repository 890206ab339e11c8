"""GVSC's rates: as printed, by the paper's own symbols, and as they are sent here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from lgvsc import kinds
from lgvsc.config import Config, load_config
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import VideoReader
from lgvsc.experiments.recipe import Line, Recipe
from lgvsc.experiments.reproduction import figures
from lgvsc.experiments.reproduction.clips import Footage, described
from lgvsc.experiments.reproduction.needs import unavailable
from lgvsc.experiments.reproduction.result import Reproduction, Value, value_of
from lgvsc.schemes.gvsc_rates import paper_symbols, published_rates


def rates(recipe: Recipe, clips: Sequence[Footage], folder: Path) -> Reproduction:
    """The paper's rates beside what lgvsc sends, by the paper's accounting and as everything is counted."""
    made = Reproduction(recipe)
    described_so: dict[str, list[str]] = {}  # schemes by what their descriptions are like
    for row in published_rates():
        made.values.append(Value(series=row.label, metric="cbr_exact", value=row.cbr))
        if not row.described:
            continue
        if reason := unavailable(Line(label=row.label, scheme=row.scheme), recipe):
            made.notes.append(f"{row.label} is not measured: {reason}")
            continue
        for preset, metric in (("gvsc-compact", "cbr_sent"), ("compact", "cbr_adaptive")):
            for snr_db in recipe.snr_db:
                config = configured(row.scheme, preset, snr_db)
                sent = [sent_rates(described(recipe, clip, config), clip.path) for clip in clips]
                made.values.append(value_of(row.label, metric, [one.measured for one in sent], snr_db))
                if metric == "cbr_sent" and snr_db == recipe.snr_db[0]:
                    made.values.append(value_of(row.label, "cbr_printed", [one.by_paper for one in sent]))
                    words = fmean(one.characters for one in sent)
                    bits = fmean(one.caption_bits for one in sent)
                    told = f"descriptions have {words:.1f} characters and {bits:.1f} bits on average"
                    described_so.setdefault(told, []).append(row.label)
    made.notes += [f"{', '.join(labels)}: {told}" for told, labels in described_so.items()]
    plan = recipe.clips
    made.notes.insert(
        0,
        f"n = {len(clips)}, clips of {plan.frames} frames, {plan.side}x{plan.side} at {plan.fps} fps. CBR: by the "
        "paper's accounting, a character a token of 8 bits, words and analogue symbols alone. All that is sent: "
        "preamble and control too, words under GVSC's text code or under the one that the SNR asks for",
    )
    figures.write(made, folder)
    return made


@dataclass(frozen=True, slots=True)
class SentRates:
    """What one clip cost: CBR as everything is counted and as GVSC counts, and how long its words are."""

    measured: float
    by_paper: float
    characters: int
    caption_bits: int


def configured(scheme: str, preset: str, snr_db: float) -> Config:
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
