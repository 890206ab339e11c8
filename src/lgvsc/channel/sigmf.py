"""Symbols as SigMF recordings, so that they can go through a real radio: ``X.sigmf-data`` and ``X.sigmf-meta``.

A recording holds either symbols, perfectly sampled, with the channel state that a simulated channel grants; or a
waveform, which tells nothing but its samples, and from which the receiver recovers symbols and noise by itself.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import torch

from lgvsc.channel.pulse import MAX_SAMPLES_PER_SYMBOL, MIN_SAMPLES_PER_SYMBOL, PulseShaper
from lgvsc.channel.synchronisation import recover
from lgvsc.channel.waveform import frame
from lgvsc.core.air import Reception
from lgvsc.core.files import part_path, require_file
from lgvsc.errors import ConfigError, InputError, OutputExistsError, ShapeError

SIGMF_VERSION = "1.2.0"
EXTENSION_VERSION = "1.0.0"
VARIANCE_BYTES = 4  # rf32_le
MAX_META_BYTES = 1 << 20
CHUNK_SYMBOLS = 1 << 16
MAX_VARIANCE = 1e30  # a finite N0 above this is as good as this; JSON can hold integers that no float can


@dataclass(frozen=True, slots=True)
class Datatype:
    """How a recorder writes a sample: two values of ``kind``, zero at ``middle``, one at ``middle + unit``."""

    kind: str
    middle: float = 0.0
    unit: float = 1.0


DATATYPES = {  # symbols are always cf32_le; a waveform may come from any of the usual radios
    "cf32_le": Datatype("<f4"),
    "cf32_be": Datatype(">f4"),
    "ci16_le": Datatype("<i2", 0.0, 32768.0),
    "ci16_be": Datatype(">i2", 0.0, 32768.0),
    "ci8": Datatype("i1", 0.0, 128.0),
    "cu8": Datatype("u1", 127.5, 127.5),
}


@dataclass(frozen=True, slots=True)
class SigmfPaths:
    """The files of one recording, whichever of them was named."""

    data: Path
    meta: Path
    variance: Path

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> SigmfPaths:
        """From ``X``, ``X.sigmf-data`` or ``X.sigmf-meta``."""
        path = Path(path)
        stem = path.name.removesuffix(".sigmf-data").removesuffix(".sigmf-meta")
        if not stem:
            raise InputError(f"{path} names no recording; give X, X.sigmf-data or X.sigmf-meta")
        return cls(*(path.with_name(stem + suffix) for suffix in (".sigmf-data", ".sigmf-meta", ".lgvsc-n0")))


class SigmfWriter:
    """Write symbols as they come; the files appear under their names only when all are written.

    Data are SigMF ``cf32_le``, one sample per symbol. What the channel grants of its state is in the namespace
    ``lgvsc``: ``lgvsc:noise_variance`` where N0 is the same for all symbols, else ``lgvsc:noise_variance_file``, the
    name of a file beside the data with one little-endian float32 for each symbol (infinite for erasures).

    Args:
        path: ``X``, ``X.sigmf-data`` or ``X.sigmf-meta``.
        sample_rate_hz: Samples per second, where that is settled. A sample is a symbol but in a waveform.
        samples_per_symbol: Of a waveform, in ``lgvsc:samples_per_symbol``; no noise variance is granted then.
        description: A sentence for people.
        clip: What names the source in the channel's seed, in recordings of what is sent; a receiver never sees it.
        force: Replace files that are there.

    Raises:
        OutputExistsError: One of the files is there already, and ``force`` is not given.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        sample_rate_hz: float | None = None,
        samples_per_symbol: float | None = None,
        description: str = "",
        clip: str = "",
        force: bool = False,
    ) -> None:
        self.paths = SigmfPaths.of(path)
        self.symbols = 0
        for file in (self.paths.data, self.paths.meta):
            if file.exists() and not force:
                raise OutputExistsError(file)
        self._sample_rate_hz, self._description, self._clip = sample_rate_hz, description, clip
        self._samples_per_symbol = samples_per_symbol
        self._constant: float | None = None  # N0 so far; NaN once it has varied
        self._data = part_path(self.paths.data).open("wb")
        self._variance: BinaryIO | None = None

    def write(self, received: Reception) -> None:
        """Append symbols. What is sent and not yet received has a noise variance of 0."""
        shapes = tuple(received.symbols.shape), tuple(received.noise_variance.shape)
        if shapes[0] != shapes[1] or len(shapes[0]) != 1:
            raise ShapeError(f"symbols {shapes[0]} and noise variance {shapes[1]} must both be (n,)")
        if not len(received):
            return
        variance = received.noise_variance.numpy().astype("<f4")
        if self._constant is None:
            self._constant = float(variance[0])
        if self._variance is None and not bool((variance == np.float32(self._constant)).all()):
            self._variance = part_path(self.paths.variance).open("w+b")
            self._repeat_constant()
        if self._variance is not None:
            self._variance.write(variance.tobytes())
        self.write_samples(received.symbols.numpy())

    def write_samples(self, samples: np.ndarray) -> None:
        """Append samples of a waveform, of which nothing is granted."""
        self._data.write(samples.astype("<c8").tobytes())
        self.symbols += len(samples)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        parts = [part_path(file) for file in (self.paths.variance, self.paths.data, self.paths.meta)]
        try:
            try:  # what does not fit on the disk may show only here
                self._data.close()
            finally:
                if self._variance is not None:
                    self._variance.close()
            if kind is None:
                part_path(self.paths.meta).write_text(json.dumps(self._meta(), indent=2) + "\n", encoding="utf-8")
                # Of a recording that is replaced; metadata first and last, as without them the rest is no recording.
                self.paths.meta.unlink(missing_ok=True)
                self.paths.variance.unlink(missing_ok=True)
                for part, file in zip(parts, (self.paths.variance, self.paths.data, self.paths.meta), strict=True):
                    if part.exists():
                        part.replace(file)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)

    def _repeat_constant(self) -> None:
        """The first time N0 varies: write down what it was until then."""
        assert self._variance is not None and self._constant is not None
        left = self.symbols
        while left:
            count = min(left, CHUNK_SYMBOLS)
            self._variance.write(np.full(count, self._constant, dtype="<f4").tobytes())
            left -= count

    def _meta(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "core:datatype": "cf32_le",
            "core:version": SIGMF_VERSION,
            "core:num_channels": 1,
            "core:recorder": "lgvsc",
            "core:extensions": [{"name": "lgvsc", "version": EXTENSION_VERSION, "optional": True}],
        }
        if self._description:
            fields["core:description"] = self._description
        if self._clip:
            fields["lgvsc:clip"] = self._clip
        if self._sample_rate_hz:
            fields["core:sample_rate"] = self._sample_rate_hz
        if self._samples_per_symbol is not None:
            fields["lgvsc:samples_per_symbol"] = self._samples_per_symbol
        elif self._variance is not None:
            fields["lgvsc:noise_variance_file"] = self.paths.variance.name
        else:  # JSON has no infinity: an erased recording keeps no state
            constant = 0.0 if self._constant is None else self._constant
            fields["lgvsc:noise_variance"] = constant if math.isfinite(constant) else None
        return {"global": fields, "captures": [{"core:sample_start": 0}], "annotations": []}


class WaveformWriter(SigmfWriter):
    """Write bursts as the waveform that a radio sends: each in a frame of its own, as pulses.

    A pulse has unit energy: the mean power of the samples is one over the samples per symbol, and their peaks reach
    about 1.5 at four samples. Scale them to the range of your radio; the receiver needs no gain.

    Args:
        path: ``X``, ``X.sigmf-data`` or ``X.sigmf-meta``.
        samples_per_symbol: 2 to 32.
        symbol_rate_hz: Symbols per second.
        clip, force: See :class:`SigmfWriter`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        samples_per_symbol: int,
        symbol_rate_hz: float,
        clip: str = "",
        force: bool = False,
    ) -> None:
        self._shaper = PulseShaper(samples_per_symbol)
        super().__init__(
            path,
            sample_rate_hz=symbol_rate_hz * samples_per_symbol,
            samples_per_symbol=samples_per_symbol,
            clip=clip,
            force=force,
        )

    def write(self, received: Reception) -> None:
        """Append one burst, whole."""
        self.write_samples(self._shaper.shape(frame(received.symbols.numpy())))

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self.write_samples(self._shaper.finish())
        except BaseException as error:
            kind = type(error)
            raise
        finally:
            super().__exit__(kind, *rest)


class SigmfReader:
    """Read a recording chunk by chunk: iterate over it for receptions.

    Of a waveform, symbols are recovered first: each burst that was found comes as one reception. A recording of
    symbols that says nothing of its noise needs ``noise_variance``.

    Args:
        path: ``X``, ``X.sigmf-data`` or ``X.sigmf-meta``.
        noise_variance: N0 to assume where the recording does not tell.
        samples_per_symbol: Reads the recording as a waveform, whatever its metadata say. A radio that recorded at
            its own rate does not know this number: sample rate over symbol rate, 1.5 to 32, not necessarily whole.
        chunk_symbols: Symbols read at a time.

    Attributes:
        symbols: How many there are; samples, in a waveform.
        notes: What was passed over in the file, a sentence each.
        samples_per_symbol: Of a waveform; ``None`` for symbols.
        meta: The ``global`` object of the metadata.

    Raises:
        InputError: A file is missing, damaged, of another kind, or contradicts the other.
        ConfigError: ``samples_per_symbol`` is out of range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        noise_variance: float | None = None,
        samples_per_symbol: float | None = None,
        chunk_symbols: int = CHUNK_SYMBOLS,
    ) -> None:
        self.paths = SigmfPaths.of(path)
        self.meta, captures = _read_meta(self.paths.meta)
        self.notes: list[str] = []
        self._chunk_symbols = chunk_symbols
        self._bursts = 0
        self.samples_per_symbol = self._rate(samples_per_symbol)
        self._datatype = self._known_datatype()
        size = 2 * np.dtype(self._datatype.kind).itemsize
        offset = _whole(self.meta.get("core:offset", 0), "core:offset", self.paths.meta)
        headers = _headers(captures, offset, self.paths.meta)
        trailing = _whole(self.meta.get("core:trailing_bytes", 0), "core:trailing_bytes", self.paths.meta)
        self._headers = _within(headers, self.paths.data, size, trailing)
        passed_over = sum(length for _, length in self._headers) + trailing
        self.symbols, rest = _count(self.paths.data, size, passed_over)
        if rest:
            dropped = "1 byte is" if rest == 1 else f"{rest} bytes are"
            self.notes.append(f"{self.paths.data} ends inside a sample; {dropped} dropped there")
        if passed_over:
            self.notes.append(f"{passed_over} bytes of headers and trailers in {self.paths.data} are passed over")
        if not self.symbols:
            raise InputError(f"{self.paths.data} holds no samples")
        self._constant: float | None = None
        if self.samples_per_symbol is not None:
            self._constant = 0.0  # granted to nobody: see __iter__
            return
        name = self.meta.get("lgvsc:noise_variance_file")
        if name is not None:
            if name != self.paths.variance.name:  # never another path that hostile metadata may name
                raise InputError(f"{self.paths.meta} names a noise file that does not belong to it")
            values, left = _count(self.paths.variance, VARIANCE_BYTES)
            if left or values != self.symbols + bool(rest):
                raise InputError(
                    f"{self.paths.variance} does not have one value for each symbol; one file is truncated"
                )
            return
        granted = self.meta.get("lgvsc:noise_variance", noise_variance)
        if granted is None and "lgvsc:noise_variance" in self.meta:
            granted = math.inf
        if not isinstance(granted, int | float) or isinstance(granted, bool) or not granted >= 0:
            raise InputError(f"{self.paths.meta} does not say how noisy the symbols are; give the SNR")
        self._constant = float(min(granted, MAX_VARIANCE)) if granted != math.inf else math.inf

    def __len__(self) -> int:
        return self.symbols

    @property
    def clip(self) -> str:
        """What names the source in the channel's seed; empty where the recording does not say."""
        return str(self.meta.get("lgvsc:clip", ""))[:128]

    def __iter__(self) -> Iterator[Reception]:
        if self.samples_per_symbol is not None:
            for burst in recover(self._samples(), self.samples_per_symbol):
                self._bursts += 1
                yield burst
        elif self._constant is not None:
            for symbols in self._samples():
                yield Reception(torch.from_numpy(symbols), torch.full((len(symbols),), self._constant))
        else:
            for symbols, variance in zip(self._samples(), self._pieces(self.paths.variance, "<f4", 1), strict=False):
                yield Reception(torch.from_numpy(symbols), torch.from_numpy(variance))

    @property
    def no_burst(self) -> str:
        """Why a waveform that was read to its end held no burst, as far as can be told; empty where it held some."""
        if self.samples_per_symbol is None or self._bursts:
            return ""
        written = self.meta.get("lgvsc:samples_per_symbol")
        told = f" (its metadata say {str(written)[:20]})" if written not in (None, self.samples_per_symbol) else ""
        if written is None and not self.meta.keys().isdisjoint({"lgvsc:noise_variance", "lgvsc:noise_variance_file"}):
            told = " (its metadata say that it holds symbols; read these without --samples-per-symbol)"
        return (
            f"no burst was found in the {self.symbols} samples of {self.paths.data}; are there "
            f"{self.samples_per_symbol:g} of them for each symbol?{told}"
        )

    def as_recorded(self) -> Iterator[torch.Tensor]:
        """What the file holds, symbols or samples, complex64."""
        for samples in self._samples():
            yield torch.from_numpy(samples)

    def _samples(self) -> Iterator[np.ndarray]:
        datatype = self._datatype
        for values in self._pieces(self.paths.data, datatype.kind, 2, self._headers):
            scaled = (values.astype(np.float32) - np.float32(datatype.middle)) / np.float32(datatype.unit)
            yield scaled.view(np.complex64)

    def _rate(self, given: float | None) -> float | None:
        rate = given if given is not None else self.meta.get("lgvsc:samples_per_symbol")
        if rate is None:
            return None
        low, high = MIN_SAMPLES_PER_SYMBOL, MAX_SAMPLES_PER_SYMBOL
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not low <= rate <= high:
            what = f"{str(rate)[:20]} samples for each symbol: a waveform that can be read has {low:g} to {high:g}"
            raise ConfigError(what) if given is not None else InputError(f"{self.paths.meta}: {what}")
        return float(rate)

    def _known_datatype(self) -> Datatype:
        name = self.meta.get("core:datatype")
        usable = list(DATATYPES) if self.samples_per_symbol is not None else ["cf32_le"]
        if not isinstance(name, str) or name not in usable:
            what = "a waveform" if self.samples_per_symbol is not None else "symbols"
            hint = "; read a radio's recording with --samples-per-symbol, its sample rate over the symbol rate"
            raise InputError(
                f"{self.paths.meta} has datatype {str(name)[:20]!r}; {what} can be {', '.join(usable)}"
                + hint * (what == "symbols" and isinstance(name, str) and name in DATATYPES)
            )
        return DATATYPES[name]

    def _pieces(
        self, path: Path, kind: str, values: int, headers: Sequence[tuple[int, int]] = ()
    ) -> Iterator[np.ndarray]:
        """Pieces of a file with so many values of one kind for each symbol.

        Args:
            headers: Symbols before each header inside the file, and its bytes.
        """
        native = np.dtype(kind).newbyteorder("=")
        left, ahead = self.symbols * values, list(headers)
        try:
            with path.open("rb") as file:
                while left:
                    done = self.symbols - left // values
                    while ahead and ahead[0][0] <= done:
                        file.seek(ahead.pop(0)[1], os.SEEK_CUR)
                    until = ahead[0][0] - done if ahead else self._chunk_symbols
                    piece = np.fromfile(file, dtype=kind, count=min(left, min(until, self._chunk_symbols) * values))
                    if not piece.size or piece.size % values:
                        raise InputError(f"{path} became shorter while it was read")
                    left -= piece.size
                    yield piece.astype(native, copy=False)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _count(path: Path, size: int, passed_over: int = 0) -> tuple[int, int]:
    """How many values of so many bytes a file holds besides what is passed over, and the bytes left at its end."""
    require_file(path, "a recording")
    return divmod(max(0, path.stat().st_size - passed_over), size)


def _whole(value: Any, name: str, path: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{path}: {name} is {str(value)[:20]}, but it is a whole number from 0 on")
    return value


def _headers(captures: Any, offset: int, path: Path) -> list[tuple[int, int]]:
    """Where headers lie inside the data: samples before each, and its bytes. The file's first sample is ``offset``.

    Source: SigMF 1.2, non-conforming datasets (``core:header_bytes`` of a capture).
    """
    found = []
    for capture in captures if isinstance(captures, list) else []:
        if isinstance(capture, dict) and capture.get("core:header_bytes"):
            start = _whole(capture.get("core:sample_start", offset), "core:sample_start", path)
            if start < offset:
                raise InputError(
                    f"{path}: core:sample_start is {start}, before the first sample, core:offset = {offset}"
                )
            found.append((start - offset, _whole(capture["core:header_bytes"], "core:header_bytes", path)))
    return sorted(found)


def _within(headers: list[tuple[int, int]], data: Path, size: int, trailing: int) -> list[tuple[int, int]]:
    """The headers that the data reach: of a recording that broke off the last ones are missing."""
    require_file(data, "a recording")
    left = max(0, data.stat().st_size - trailing)
    reached, before = [], 0
    for start, length in headers:
        left -= (start - before) * size
        if left < 0:
            break
        left, before = left - length, start
        reached.append((start, length))
    return reached


def _read_meta(path: Path) -> tuple[dict[str, Any], Any]:
    """The global object, and the captures as they are."""
    require_file(path, "a recording, X.sigmf-meta beside X.sigmf-data")
    try:
        with path.open("rb") as file:
            text = file.read(MAX_META_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if len(text) > MAX_META_BYTES:
        raise InputError(f"{path} is larger than {MAX_META_BYTES // 2**20} MiB, too large for metadata")
    try:
        meta = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON") from error
    fields = meta.get("global") if isinstance(meta, dict) else None
    if not isinstance(fields, dict):
        raise InputError(f"{path} is not SigMF metadata: it has no global object")
    if fields.get("core:num_channels", 1) != 1:
        raise InputError(f"{path} has several channels; lgvsc reads one")
    return fields, meta.get("captures")
