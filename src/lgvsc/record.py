"""What one run leaves behind: the report of ``--report``, version 1, and the page made from it."""

from __future__ import annotations

import hashlib
import platform
from bisect import bisect_right
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lgvsc import kinds, planning
from lgvsc.coding.parts.pictures import CLOSING_KEYFRAME
from lgvsc.coding.parts.sketches import OTHER_SKETCHES, SKETCH_RATE_MAP
from lgvsc.core.air import Burst
from lgvsc.core.container import colours_in_hex, view_of_structure
from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Rebuilt
from lgvsc.core.ledger import Ledger, LedgerEntry, charge
from lgvsc.core.message import PARTS, PartStatus, Segment, SemanticMessage
from lgvsc.core.provenance import ProvenanceRuns
from lgvsc.core.video import Pixels, VideoFormat
from lgvsc.metrics.measuring import Measured, Tally
from lgvsc.metrics.quality import QUALITY_KEYS
from lgvsc.schemes.gvsc_rates import paper_symbols
from lgvsc.semantics.keyframes import Choice
from lgvsc.settings import Config

REPORT_VERSION = 1
THUMBNAIL_WIDTH = 160

MAX_THUMBNAILS = 100  # segments whose pictures are kept for the page

PART_OF_PURPOSE = {
    "control": "control",
    "captions": "caption",
    "side": "side",
    "keyframes": "keyframe",
    "sketches": "key_sketch",
    "video": "video",
    "structure": "structure",
}
PART_OF_LABEL = {
    CLOSING_KEYFRAME: "closing_keyframe",
    OTHER_SKETCHES: "other_sketches",
    SKETCH_RATE_MAP: "other_sketches",
}


@dataclass
class Record:
    """Collects, while a video passes, what the report says of it. Grows by a few lines per segment only."""

    config: Config
    source: Path
    sha256: str
    video: VideoFormat
    choices: list[str] = field(default_factory=list)
    allowed_cbr: float | None = None  # the budget, as the user gave it
    command: str | None = None  # that makes this run again
    ledger_entries: list[LedgerEntry] = field(default_factory=list)
    sent_segments: list[Segment] = field(default_factory=list)
    received_segments: dict[int, Segment] = field(default_factory=dict)
    provenance: ProvenanceRuns = field(default_factory=ProvenanceRuns)
    curve: list[tuple[int, float]] = field(default_factory=list)
    measured: Measured | None = None
    looks: dict[int, dict[str, Tally]] = field(default_factory=dict)  # by segment and metric
    timing_s: dict[str, float] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    output: Path | None = None
    source_notes: list[str] = field(default_factory=list)
    source_damage: str | None = None

    def chose(self, choice: Choice) -> None:
        """Note a point of the divergence curve."""
        if choice.divergence is not None:
            self.curve.append((choice.frame.index, choice.divergence))

    def sent(self, segment: Segment, burst: Burst) -> Burst:
        """Note a segment and what its burst cost; the burst is handed on."""
        self.ledger_entries += charge(burst)
        self.sent_segments.append(noted(segment, keep_pictures=len(self.sent_segments) < MAX_THUMBNAILS))
        return burst

    def received(self, segment: Segment) -> None:
        """Note a segment as it arrived."""
        self.received_segments[segment.start] = noted(
            segment, keep_pictures=len(self.received_segments) < MAX_THUMBNAILS
        )

    def rebuilt(self, piece: Rebuilt) -> None:
        """Note where each frame came from."""
        self.provenance.add(piece)

    def looked(self, key: str, frame: int, value: float) -> None:
        """Note what a network found in a frame; only its segment's mean is kept."""
        segment = bisect_right(self.sent_segments, frame, key=lambda sent: sent.start) - 1
        self.looks.setdefault(segment, {}).setdefault(key, Tally()).add(value)

    def finish(self, timing_s: dict[str, float], output: Path) -> None:
        """Note the seconds per stage, where the video is, and first of all whether more was sent than was allowed."""
        self.timing_s, self.output = timing_s, output
        self.choices = planning.with_passed(self.choices, self.ledger.cbr, self.allowed_cbr)

    @property
    def ledger(self) -> Ledger:
        """Every symbol sent, against the frames that the source really had."""
        frames = self.sent_segments[-1].stop if self.sent_segments else self.video.frames
        return Ledger(tuple(self.ledger_entries), replace(self.video, frames=frames))

    def report(self) -> dict[str, Any]:
        """The report as plain JSON types; see docs/report.md for the meaning of each key."""
        ledger, config, channel = self.ledger, self.config, self.config.channel
        return {
            "version": REPORT_VERSION,
            "scheme": config.scheme,
            "chosen_by": config.chosen_by,
            "preset": config.preset,
            "objective": config.objective if config.coding.budget and kinds.kind_of(config.scheme).generated else None,
            "look": config.keyframe_look if kinds.kind_of(config.scheme).generated else None,
            "seed": config.seed,
            "command": self.command,
            "channel": {
                "kind": channel.kind,
                "snr_db": channel.snr_db,
                "snr_def": channel.snr_def,
                "esn0_db": config.esn0_db,
                "csi": channel.csi,
                "erasures": channel.erasures,
                "believed_snr_db": config.believed_snr_db,
            },
            "source": {
                "path": self.source.name,
                "sha256": self.sha256,
                "frames": ledger.video.frames,
                "height": self.video.height,
                "width": self.video.width,
                "fps": float(self.video.fps),
                "notes": self.source_notes,
                "damage": self.source_damage,
            },
            "output": self.output.name if self.output else None,
            "symbols": ledger.symbols,
            "cbr": ledger.cbr,
            "paper_accounting": self._paper_accounting(ledger),
            "symbols_per_s": ledger.symbols_per_s,
            "kbit_per_s": ledger.kbit_per_s,
            "airtime_s": ledger.airtime_s(config.link.symbol_rate_hz),
            "symbol_rate_hz": config.link.symbol_rate_hz,
            "closing_keyframe_symbols": ledger.labelled(CLOSING_KEYFRAME),
            "segments": [self._segment_row(i, s) for i, s in enumerate(self.sent_segments)],
            "keyframes": SemanticMessage(tuple(self.sent_segments)).keyframe_indices,
            "divergence_curve": self.curve,
            "threshold": config.keyframes.threshold if kinds.kind_of(config.scheme).generated else None,
            "choices": self.choices,
            "metrics": self._metrics(),
            "provenance": self.provenance.runs,
            "damage": self._damage(),
            "timing_s": self._timing_s(),
            "cost": self.cost.as_json() | {"wasted_share": self.cost.wasted_share(len(self.curve))},
            "models": kinds.models(config),
            "config": config.model_dump(mode="json"),
            "environment": environment(),
        }

    def _paper_accounting(self, ledger: Ledger) -> dict[str, Any] | None:
        """What GVSC would have counted, where ``link.accounting`` asks for it."""
        if self.config.link.accounting != "paper":
            return None
        symbols = paper_symbols(ledger, (segment.caption for segment in self.sent_segments))
        total = ledger.symbols["total"]
        return {"symbols": symbols, "cbr": ledger.cbr * symbols["total"] / total if total else 0.0}

    def _segment_row(self, index: int, sent: Segment) -> dict[str, Any]:
        got = self.received_segments.get(sent.start)
        mine = [entry for entry in self.ledger_entries if entry.segment == index]
        return {
            "start": sent.start,
            "stop": sent.stop,
            "caption": sent.caption,
            "caption_received": got.caption if got else None,
            "divergence": sent.divergence,
            "keyframe_symbols": sum(entry.symbols for entry in mine if entry.purpose == "keyframes"),
            "symbols": sum(entry.symbols for entry in mine),
            "sketches": [index for index, _ in sent.sketches],
            "sketch_symbols": sum(entry.symbols for entry in mine if entry.purpose == "sketches"),
            "motion": asdict(sent.motion) if sent.motion else None,
            "colours": None if sent.colours is None else colours_in_hex(sent.colours),
            "cut": sent.cut,
            "structure": view_of_structure(sent.structure),
            "structure_symbols": sum(entry.symbols for entry in mine if entry.purpose == "structure"),
            "coding": next((entry.label for entry in mine if entry.purpose == "video"), None),
            "status": status_of(got, mine),
            "metrics": {key: self.looks.get(index, {}).get(key, Tally()).mean for key in self._looked_for},
        }

    @property
    def _looked_for(self) -> list[str]:
        return sorted({key for found in self.looks.values() for key in found})

    def _metrics(self) -> dict[str, Any]:
        """Each metric, or null with its reason under ``absent``."""
        if self.measured is None:
            return {}
        unasked = dict.fromkeys(key for key in QUALITY_KEYS if key not in self.measured.values)
        told = self.measured.quality
        counts = {
            "frames": told.frames
            if told
            else max((row["frames"] for row in self.measured.details.values()), default=0),
            "identical_frames": told.identical_frames if told else 0,
            "every": self.config.link.metrics_every,
        }
        found = unasked | self.measured.values | counts | {"details": self.measured.details}
        return found | {"absent": self.measured.absent | dict.fromkeys(unasked, "not asked for, see --metrics")}

    def _timing_s(self) -> dict[str, float]:
        """Seconds per stage; ``coding`` is both sides together."""
        seconds = dict.fromkeys(("semantics", "coding_send", "channel", "coding_receive", "world"), 0.0) | self.timing_s
        return {"coding": seconds["coding_send"] + seconds["coding_receive"], **seconds}

    def _damage(self) -> dict[str, int]:
        """How many of each part were sent and did not arrive, and how many symbols were erasures."""
        lost = [row["status"] for row in (self._segment_row(i, s) for i, s in enumerate(self.sent_segments))]
        count = {part: sum(status.get(part) == "lost" for status in lost) for part in PARTS}
        return count | {"erased_symbols": sum(s.erased_symbols for s in self.received_segments.values())}


def status_of(got: Segment | None, sent: list[LedgerEntry]) -> dict[str, PartStatus]:
    """What became of each part of a segment. Where no burst was read, everything that was sent is lost."""
    if got is not None:
        return {part: got.status.get(part, "absent") for part in PARTS}
    parts = {PART_OF_LABEL.get(entry.label) or PART_OF_PURPOSE.get(entry.purpose) for entry in sent}
    return {part: "lost" if part in parts else "absent" for part in PARTS}


def noted(segment: Segment, keep_pictures: bool) -> Segment:
    """A segment whose pictures have shrunk to thumbnails, or to a single pixel where only their presence counts."""

    def small(picture: Pixels) -> Pixels:
        width = min(picture.shape[1], THUMBNAIL_WIDTH) if keep_pictures else 1
        height = max(1, round(picture.shape[0] * width / picture.shape[1]))
        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def shrunk(picture: Pixels | None) -> Pixels | None:
        return None if picture is None else small(picture)

    return segment.changed(
        keyframe=shrunk(segment.keyframe),
        closing_keyframe=shrunk(segment.closing_keyframe),
        sketches=tuple((index, small(sketch)) for index, sketch in segment.sketches),
    )


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; it names the clip in seeds and reports."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def environment() -> dict[str, str]:
    """Versions that a number may depend on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version(name) for name in ("lgvsc", "torch", "sionna-no-rt", "av", "opencv-python-headless", "numpy")},
    }
