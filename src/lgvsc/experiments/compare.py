"""Several schemes over the same clips, channels and budgets: the work of ``lgvsc compare``.

A comparison is a grid of cells, one transmission each. Cells run here, in processes or on Ray's actors; every finished
one is in the table at once, so a comparison that was stopped goes on where it was. A cell that fails is a row that
says why.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from lgvsc import link
from lgvsc.config import Config, load_config
from lgvsc.core.sharing import Died
from lgvsc.errors import ConfigError, LgvscError
from lgvsc.experiments.bill import receiver_parameters
from lgvsc.experiments.compare_table import Row, TableFile, read_csv
from lgvsc.experiments.jobs.workers import HERE, Workers, do_all
from lgvsc.kinds import kind_of
from lgvsc.metrics.registry import BY_COLUMN
from lgvsc.record import Record, fingerprint

log = logging.getLogger(__name__)

TABLE = "compare.csv"


@dataclass(frozen=True, slots=True)
class SchemeSpec:
    """A scheme as the user names it: ``h265-ldpc``, ``h265-ldpc:paper`` or ``h265-ldpc:paper:ebn0``."""

    scheme: str
    paper: bool = False
    snr_def: str = "esn0"

    @classmethod
    def parse(cls, text: str) -> SchemeSpec:
        """Read one.

        Raises:
            ConfigError: More or other words than these.
        """
        scheme, *rest = text.strip().split(":")
        if rest not in ([], ["paper"], ["paper", "esn0"], ["paper", "ebn0"]):
            raise ConfigError(f"{text!r} is no scheme; write h265-ldpc, h265-ldpc:paper or h265-ldpc:paper:ebn0")
        return cls(scheme, bool(rest), "ebn0" if rest[1:] == ["ebn0"] else "esn0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One transmission that is to be made.

    Attributes:
        clip: The file; ``sha256`` names it wherever noise is drawn.
        cbr_target: The budget; ``None`` for none.
        keep: Where the rebuilt video goes; ``None`` throws it away.
    """

    clip: Path
    sha256: str
    config: Config
    mode: str
    cbr_target: float | None
    trial: int
    keep: Path | None = None

    @property
    def key(self) -> str:
        """Digest of everything that the result depends on."""
        told = [self.config.model_dump(mode="json"), self.sha256, self.trial, version("lgvsc")]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def empty(self, error: str = "") -> Row:
        """The row as far as it is known beforehand."""
        channel = self.config.channel
        return Row(
            key=self.key,
            clip=self.clip.stem,
            scheme=self.config.scheme,
            mode=self.mode,
            channel=channel.kind,
            snr_db=channel.snr_db,
            snr_def=channel.snr_def,
            cbr_target=self.cbr_target,
            seed=self.config.seed,
            trial=self.trial,
            error=error,
        )


def plan(
    clips: Sequence[Path],
    schemes: Sequence[str],
    snrs_db: Sequence[float],
    cbrs: Sequence[float],
    *,
    trials: int = 1,
    preset: str = "compact",
    settings: dict[str, Any] | None = None,
    captions: Mapping[Path, str] | None = None,
) -> list[Cell]:
    """All cells of a grid, clip by clip. Schemes with the paper's parameters have no budget, so one cell for each SNR.

    Args:
        clips: Video files with different names.
        schemes: As :meth:`SchemeSpec.parse` reads them.
        snrs_db, cbrs: Channels and budgets; no budget at all where ``cbrs`` is empty.
        trials: Draws of the channel's noise.
        settings: For all schemes, as dotted keys.
        captions: Of clips, said in place of the captioner's words; empty lets the captioner speak.

    Raises:
        ConfigError: Nothing to compare, or settings that do not go together.
    """
    if not (clips and schemes and snrs_db) or trials < 1:
        raise ConfigError("a comparison needs at least one clip, one scheme, one SNR and one trial")
    names = [clip.stem for clip in clips]
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two clips are called {doubles[0]}; the table tells clips apart by their names")
    kinds: list[tuple[SchemeSpec, float | None]] = []
    for spec in map(SchemeSpec.parse, schemes):
        kinds += [(spec, cbr) for cbr in ([None] if spec.paper or not cbrs else cbrs)]
    cells = []
    for clip in clips:
        sha256 = fingerprint(clip)
        for (spec, cbr), snr_db, trial in product(kinds, snrs_db, range(trials)):
            speaks = captions and kind_of(spec.scheme).generated  # a codec says nothing
            said = {"message.description": captions[clip]} if captions and speaks else {}
            config = configured(spec, snr_db, cbr, preset, {**(settings or {}), **said})
            mode = "paper" if spec.paper else "free" if cbr is None else "adaptive"
            cells.append(Cell(clip=clip, sha256=sha256, config=config, mode=mode, cbr_target=cbr, trial=trial))
    return cells


def configured(spec: SchemeSpec, snr_db: float, cbr: float | None, preset: str, settings: dict[str, Any]) -> Config:
    """The configuration of a cell."""
    own: dict[str, Any] = {"channel.snr_db": snr_db, "channel.snr_def": spec.snr_def}
    if cbr is not None:
        own["coding.budget"] = f"{cbr:g}cbr"
    if spec.paper:
        own["conventional.mode"] = "paper"
    return load_config(preset, spec.scheme, settings | own)


def compare(
    cells: Sequence[Cell],
    table: Path,
    *,
    workers: Workers = HERE,
    on_row: Callable[[Row, int, int], None] | None = None,
) -> list[Row]:
    """Run the cells that the table does not hold yet, and keep the table up to date while they end.

    Where rows come faster than a large table can be written, it is written less often: no more than a twentieth of the
    time goes into it. Whatever ends the work, all rows are in it then.

    Args:
        cells: From :func:`plan`.
        table: CSV file; rows of other comparisons in it are kept. Those of this one are in the order of the cells.
        workers: Who does the work; the rows are the same, but for how long it took.
        on_row: Called with each new row, the number of rows done and of all.

    Returns:
        The rows of these cells, in their order.

    Raises:
        InputError: The table is there and is none of ours.
        LgvscError: Ray is not there, or has no room for the workers.
    """
    known = {row.key: row for row in (read_csv(table) if table.exists() else []) if not row.error}
    wanted = [cell for cell in cells if cell.key not in known or (cell.keep and not cell.keep.exists())]
    done = len(cells) - len(wanted)
    places = {cell.key: place for place, cell in enumerate(cells)}
    file = TableFile(table, lambda: sorted(known.values(), key=lambda row: places.get(row.key, -1)))
    try:
        for place, found in do_all(runner, [elsewhere(cell) for cell in wanted], workers):
            row = wanted[place].empty(found.words) if isinstance(found, Died) else found
            known[row.key] = row
            file.changed()
            done += 1
            if on_row:
                on_row(row, done, len(cells))
    finally:
        file.write()
    return [known[cell.key] for cell in cells]


def runner() -> Callable[[Cell], Row]:
    """What a worker does. Models of one cell stay in its memory for the next."""
    return run_cell


def elsewhere(cell: Cell) -> Cell:
    """A cell for somebody who works in another folder."""
    return replace(cell, clip=cell.clip.absolute(), keep=cell.keep.absolute() if cell.keep else None)


def run_cell(cell: Cell) -> Row:
    """Send a clip through one cell and measure it. What goes wrong is in the row."""
    try:
        with tempfile.TemporaryDirectory(prefix="lgvsc-compare-") as folder:
            output = cell.keep or Path(folder) / "out.mp4"
            return row_of(cell, link.run(cell.clip, cell.config, output=output, trial=cell.trial))
    except LgvscError as error:
        return cell.empty(str(error))
    except Exception as error:  # one broken cell must not take the others with it
        log.exception("%s, %s at %g dB", cell.clip.name, cell.config.scheme, cell.config.channel.snr_db)
        return cell.empty(f"{type(error).__name__}: {error}")


def row_of(cell: Cell, record: Record) -> Row:
    """What the record of a run says, as a row."""
    report = record.report()
    metrics, times, source = report["metrics"], report["timing_s"], report["source"]
    frames = source["frames"] or 1
    lost = [f"{count} {part.replace('_', ' ')}" for part, count in report["damage"].items() if count]

    def share(kind: str) -> float:
        return sum(stop - start for start, stop, found in record.provenance.runs if found == kind) / frames

    return replace(
        cell.empty(),
        cbr=report["cbr"],
        kbit_per_s=report["kbit_per_s"],
        **{column: metrics.get(metric.key) for column, metric in BY_COLUMN.items()},
        lost=", ".join(lost),
        concealed=share("concealed"),
        missing=share("missing"),
        frames=source["frames"],
        height=source["height"],
        width=source["width"],
        fps=source["fps"],
        tx_s=times["semantics"] + times["coding_send"],
        rx_s=times["coding_receive"] + times["world"],
        rx_parameters=receiver_parameters(cell.config),
    )
