"""One tidy table of a comparison: a row for each clip, scheme, channel, budget and trial; and means over clips."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple, get_type_hints

from lgvsc.core.files import atomic_write
from lgvsc.errors import InputError
from lgvsc.metrics.registry import BY_COLUMN

QUALITIES = tuple(BY_COLUMN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one transmission.

    Attributes:
        key: Digest of everything that the row depends on: clip, configuration, trial, version of lgvsc.
        mode: ``adaptive``: filled a budget; ``free``: had none; ``paper``: Table I of LGVSC.
        snr_def: What ``snr_db`` means, ``esn0`` or ``ebn0``.
        cbr_target, cbr: Channel uses over 3 x H x W x F of the source, allowed and really used.
        psnr_db ... bert: Of all frames, see :mod:`lgvsc.metrics.registry`; ``None`` where the metric was not
            asked for or could not be had.
        lost: Parts that were sent and did not arrive, in words; empty where all did.
        concealed, missing: Shares of frames in [0, 1] for which something stood in, or nothing was there.
        tx_s, rx_s: Seconds that transmitter and receiver took.
        rx_parameters: Weights of the networks that the receiver runs.
        error: Why there are no results; empty where there are.
    """

    key: str
    clip: str
    scheme: str
    mode: str
    channel: str
    snr_db: float
    snr_def: str
    cbr_target: float | None
    cbr: float | None = None
    kbit_per_s: float | None = None
    psnr_db: float | None = None
    ssim: float | None = None
    ms_ssim: float | None = None
    vmaf: float | None = None
    vmaf_neg: float | None = None
    lpips: float | None = None
    lpips_vgg: float | None = None
    dists: float | None = None
    flicker: float | None = None
    e_warp: float | None = None
    sharpness: float | None = None
    objects_kept: float | None = None
    clip_score: float | None = None
    bert: float | None = None
    lost: str = ""
    concealed: float | None = None
    missing: float | None = None
    frames: int | None = None
    height: int | None = None
    width: int | None = None
    fps: float | None = None
    tx_s: float | None = None
    rx_s: float | None = None
    rx_parameters: int | None = None
    seed: int = 0
    trial: int = 0
    error: str = ""

    @property
    def rx_s_per_s(self) -> float | None:
        """Seconds of the receiver for each second of video."""
        if self.rx_s is None or not self.frames or not self.fps:
            return None
        return self.rx_s * self.fps / self.frames

    @property
    def name(self) -> str:
        """Scheme and mode, as plots and tables call them."""
        if self.mode != "paper":
            return self.scheme
        return f"{self.scheme} paper" + (" Eb/N0" if self.snr_def == "ebn0" else "")


BILL = ("rx_s_per_s", "rx_parameters")  # of the receiver
COLUMNS = tuple(field.name for field in fields(Row))
NEEDED = tuple(field.name for field in fields(Row) if field.default is MISSING)


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Write all rows; the file is whole at any moment."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: written(value) for name, value in asdict(row).items()} for row in rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


class TableFile:
    """A table on disk that follows one in memory, for at most a twentieth of the time."""

    def __init__(self, path: Path, rows: Callable[[], Iterable[Row]]) -> None:
        self._path, self._rows = path, rows
        self._stale, self._next_s = False, 0.0

    def changed(self) -> None:
        """There are new rows."""
        self._stale = True
        if time.monotonic() >= self._next_s:
            self.write()

    def write(self) -> None:
        """Write it, if there is anything new."""
        if not self._stale:
            return
        started = time.monotonic()
        write_csv(self._path, self._rows())
        self._stale = False
        self._next_s = time.monotonic() + 20 * (time.monotonic() - started)


def read_csv(path: Path) -> list[Row]:
    """The rows of a file that :func:`write_csv` made, in this version or before a metric was added.

    Raises:
        InputError: The file is missing, or is no such table.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file; give a table that `lgvsc compare` wrote")
    kinds = get_type_hints(Row)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            known = [name for name in COLUMNS if name in (reader.fieldnames or ())]
            if known != list(reader.fieldnames or ()) or not set(NEEDED) <= set(known):
                raise InputError(f"{path} has other columns than a table of `lgvsc compare`; write to another folder")
            return [Row(**{name: read(cells[name], kinds[name]) for name in known}) for cells in reader]
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise error if isinstance(error, InputError) else InputError(f"{path} cannot be read: {error}") from error


def write_parquet(path: Path, rows: Sequence[Row]) -> bool:
    """The same table as Parquet. ``False`` where pyarrow (extra ``bench``) is not installed."""
    hints = get_type_hints(Row)
    plain = {float | None: float, int | None: int}
    return parquet(path, {name: plain.get(hints[name], hints[name]) for name in COLUMNS}, [asdict(row) for row in rows])


def parquet(path: Path, columns: Mapping[str, type], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Any table as Parquet, its columns of str, float or int. ``False`` where pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return False
    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with atomic_write(path) as file:
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema), file)
    return True


class Point(NamedTuple):
    """Where means are taken over clips and trials: one line of the summary."""

    name: str
    snr_db: float
    cbr_target: float | None


@dataclass(frozen=True, slots=True)
class Mean:
    """Means at one point.

    Attributes:
        n: Transmissions with results.
        values: Mean by column; ``None`` where no row has one.
        half_widths: Half of the 95 % interval of each mean (Student's t over clips); ``None`` below two rows.
        damaged: Transmissions in which something was lost.
        failed: Transmissions without results.
    """

    point: Point
    n: int
    values: dict[str, float | None]
    half_widths: dict[str, float | None]
    damaged: int
    failed: int


def means(rows: Iterable[Row]) -> list[Mean]:
    """Means at every point, in the order in which the points first come."""
    groups: dict[Point, list[Row]] = {}
    for row in rows:
        groups.setdefault(Point(row.name, row.snr_db, row.cbr_target), []).append(row)
    return [mean_of(point, group) for point, group in groups.items()]


def mean_of(point: Point, rows: Sequence[Row]) -> Mean:
    """The mean over some rows of one point."""
    good = [row for row in rows if not row.error]
    values: dict[str, float | None] = {}
    half_widths: dict[str, float | None] = {}
    for column in ("cbr", "kbit_per_s", *QUALITIES, "concealed", "missing", "tx_s", "rx_s", *BILL):
        found = [float(value) for row in good if (value := getattr(row, column)) is not None]
        values[column] = fmean(found) if found else None
        half_widths[column] = half_width_95(found)
    damaged = sum(bool(row.lost) for row in good)
    return Mean(point, len(good), values, half_widths, damaged, len(rows) - len(good))


def half_width_95(values: Sequence[float]) -> float | None:
    """Half of the 95 % interval of a mean by Student's t; ``None`` below two values."""
    if len(values) < 2:
        return None
    return student_t_95(len(values) - 1) * stdev(values) / math.sqrt(len(values))


def student_t_95(freedom: int) -> float:
    """Two-sided 95 % point of Student's t, by the Cornish-Fisher expansion (Abramowitz and Stegun 26.7.5)."""
    if freedom < 4:
        return (12.706, 4.303, 3.182)[freedom - 1]
    z, n = 1.959964, freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def summary(found: Sequence[Mean]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the summary for people, ordered by budget, SNR and quality."""

    def shown(value: float | None, digits: str) -> str:
        return "-" if value is None else format(value, digits)

    header = ["CBR limit", "SNR dB", "scheme", "n", "CBR", "kbit/s", "PSNR dB", "SSIM", "MS-SSIM"]
    more = [key for key in QUALITIES[3:] if any(mean.values[key] is not None for mean in found)]
    header += [*(BY_COLUMN[key].label for key in more), "damaged", "failed", "tx s", "rx s", "rx s/s", "rx weights"]
    order = sorted(
        found,
        key=lambda m: (m.point.cbr_target or math.inf, m.point.snr_db, -(m.values["ms_ssim"] or m.values["ssim"] or 0)),
    )
    cells = []
    for mean in order:
        v, point = mean.values, mean.point
        cells.append(
            [
                shown(point.cbr_target, ".1e"),
                f"{point.snr_db:g}",
                point.name,
                str(mean.n),
                shown(v["cbr"], ".2e"),
                shown(v["kbit_per_s"], ".2f"),
                shown(v["psnr_db"], ".2f"),
                shown(v["ssim"], ".3f"),
                shown(v["ms_ssim"], ".3f"),
                *(shown(v[key], f".{BY_COLUMN[key].digits}f") for key in more),
                str(mean.damaged),
                str(mean.failed),
                shown(v["tx_s"], ".2f"),
                shown(v["rx_s"], ".2f"),
                shown(v["rx_s_per_s"], ".2f"),
                "-" if v["rx_parameters"] is None else f"{v['rx_parameters'] / 1e6:.2f}M",
            ]
        )
    return header, cells


def markdown(header: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """The same table for a page."""
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in cells:
        yield "| " + " | ".join(row) + " |"


def written(value: Any) -> str:
    """A cell: full precision, nothing for ``None``."""
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def read(cell: str, kind: Any) -> Any:
    """A cell as the type of its column."""
    if kind is str:
        return cell
    if cell == "":
        return None
    return int(cell) if kind in (int, int | None) else float(cell)
