"""Train the caption model: ``lgvsc train text-model --out FOLDER --clips CLIPS --lines captions.json``.

Counting what follows which context takes a minute on one core. Only how far the counts are trusted is fitted, on
captions that were not counted; then those are counted too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log2
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lgvsc.coding.words.text_model import (
    CHARACTER_ORDERS,
    DISCOUNT_UNIT,
    END,
    EVIDENCE,
    MAX_COUNT,
    ORDERS,
    SHIPPED,
    TOTAL,
    TextModel,
    context_key,
    contexts,
    evidence_class,
)
from lgvsc.errors import ConfigError
from lgvsc.training.arguments import OutFolder, Trainer
from lgvsc.training.language.caption_corpus import (
    clip_captions,
    english_captions,
    grammar_captions,
    library_prose,
    read_lines,
)

START_DISCOUNTS = (0.55, 0.85, 0.95)
GRID = tuple(step / 16 for step in range(1, 33))  # counts, tried for every discount


@dataclass(frozen=True, slots=True, kw_only=True)
class TextModelTraining:
    """What is counted, and how the model is kept small.

    Attributes:
        lines: Text files, JSON files or folders of captions that people or large models wrote.
        clips: Folder of clips for the compact captioner to describe; or a JSON file of what it said.
        english_sentences: How many made-up sentences, about 60 bytes each.
        grammar_sentences: How many captions from the compact captioner's grammar, about 200 bytes each.
        library_bytes: Prose from Python's own documentation.
        held_out: Names (of clips or keys) never to be counted, for an honest measurement afterwards; as many again
            are used to fit the discounts.
        least_count: Contexts of four bytes and more that were seen less often are left out; those of words already
            when they were seen just so often.
        seed: Of what is made up.
    """

    lines: tuple[Path, ...] = ()
    clips: Path | None = None
    english_sentences: int = 6000
    grammar_sentences: int = 1500
    library_bytes: int = 20_000
    held_out: int = 30
    least_count: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.least_count < 1:
            raise ConfigError(f"least_count is {self.least_count}, but a context that was never seen cannot be kept")


_Table: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(slots=True)
class Corpus:
    """Captions by the name of what they describe, and lines that describe nothing."""

    written: dict[str, list[str]] = field(default_factory=dict)  # by people or large models
    measured: dict[str, list[str]] = field(default_factory=dict)  # by the compact captioner
    made_up: list[str] = field(default_factory=list)

    def held_out_names(self, count: int) -> tuple[list[str], list[str]]:
        """Names for the test and for fitting, spread evenly over all names."""
        names = sorted({**self.written, **self.measured})
        if count == 0 or not names:
            return [], []
        step = max(2, len(names) // count)
        return names[::step][:count], names[1::step][:count]

    def of(self, names: Iterable[str]) -> tuple[list[str], list[str]]:
        """Written and measured captions of these names."""
        wanted = set(names)
        written = [line for name in self.written if name in wanted for line in self.written[name]]
        measured = [line for name in self.measured if name in wanted for line in self.measured[name]]
        return written, measured


def gather(config: TextModelTraining) -> Corpus:
    """All text to learn from."""
    corpus = Corpus()
    for path in config.lines:
        corpus.written.update(read_lines(path))
    if config.clips is not None:
        said = clip_captions(config.clips, config.seed) if config.clips.is_dir() else read_lines(config.clips)
        corpus.measured.update(said)
    corpus.made_up += english_captions(config.english_sentences, config.seed)
    corpus.made_up += grammar_captions(config.grammar_sentences, config.seed)
    corpus.made_up += library_prose(config.library_bytes)
    return corpus


def train(config: TextModelTraining, out: Path) -> Path:
    """Count, fit, count again; write ``caption-text-model.safetensors`` and ``log.json`` to ``out``.

    Returns:
        Path of the model.
    """
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    corpus = gather(config)
    test, fit = corpus.held_out_names(config.held_out)
    names = [name for name in {**corpus.written, **corpus.measured} if name not in set(test)]
    for_counts = corpus.of(name for name in names if name not in set(fit))
    discounts = start_discounts()
    if fit:
        discounts = fit_discounts(
            count_up([*for_counts[0], *for_counts[1], *corpus.made_up], discounts, config), *corpus.of(fit)
        )
    everything = corpus.of(names)
    model = count_up([*everything[0], *everything[1], *corpus.made_up], discounts, config)
    written, measured = corpus.of(test)
    log = {
        "seconds": round(time.monotonic() - started, 1),
        "bytes_counted": sum(len(line) for line in [*everything[0], *everything[1], *corpus.made_up]),
        "held_out": test,
        "bits_per_character": {
            kind: round(sum(information(model, line) for line in lines) / sum(map(len, lines)), 4)
            for kind, lines in (("written", written), ("measured", measured))
            if lines
        },
    }
    path = out / f"{SHIPPED}.safetensors"
    model.save(path, {"format": "1", "held_out": json.dumps(test)})
    (out / "log.json").write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")
    return path


def start_discounts() -> NDArray[np.int64]:
    """Before they are fitted: usual values."""
    row = np.array(START_DISCOUNTS) * DISCOUNT_UNIT
    return np.tile(np.rint(row).astype(np.int64), (ORDERS, len(EVIDENCE) + 1, 1))


def count_up(lines: Sequence[str], discounts: NDArray[np.int64], config: TextModelTraining) -> TextModel:
    """A model of these lines.

    A context of fewer than six bytes counts in how many longer contexts a byte followed it, not how often: what follows
    in one phrase only says little about other phrases (Kneser and Ney 1995).
    """
    keys: list[list[int]] = [[] for _ in range(ORDERS)]
    longer: list[list[int]] = [[] for _ in range(CHARACTER_ORDERS - 1)]
    for line in lines:
        data = line.encode() + bytes((END,))
        for at, following in enumerate(data):
            found = [(order, context_key(order, context) << 8 | following) for order, context in contexts(data[:at])]
            for order, pair in found:
                keys[order].append(pair)
            characters = [pair for order, pair in found if order < CHARACTER_ORDERS]
            for order in range(min(len(characters), CHARACTER_ORDERS - 1)):
                longer[order].append(characters[order + 1] if order + 1 < len(characters) else -1)
    tables: list[_Table] = []
    for order in range(ORDERS):
        key = np.array(keys[order], dtype=np.int64)
        if order < CHARACTER_ORDERS - 1:
            beyond = np.array(longer[order], dtype=np.int64)
            inside, first = beyond >= 0, beyond < 0  # where a text begins there is no longer context, so all count
            _, different = np.unique(beyond[inside], return_index=True)
            key = np.concatenate((key[first], key[inside][different]))
        least = 1 if order < 3 else config.least_count + (order >= CHARACTER_ORDERS)
        tables.append(_table(key, least))
    hashes, sizes, symbols, counts = (list(column) for column in zip(*tables, strict=True))
    return TextModel(hashes, sizes, symbols, counts, discounts)


def _table(key: NDArray[np.int64], least_count: int) -> _Table:
    """Hashes, numbers of successors, successors and counts of one order, from ``hash << 8 | successor``."""
    pairs, seen = np.unique(key, return_counts=True)
    hashes, context = np.unique(pairs >> 8, return_inverse=True)
    kept = np.bincount(context, weights=seen) >= least_count
    kept_pairs = kept[context]
    sizes = np.bincount(context)[kept]
    return (
        hashes[kept].astype(np.uint32),
        (sizes - 1).astype(np.uint8),
        (pairs & 255)[kept_pairs].astype(np.uint8),
        np.minimum(seen, MAX_COUNT)[kept_pairs].astype(np.uint8),
    )


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the model says at every position of some lines, by order; arrays over positions."""

    known: NDArray[np.bool_]  # (orders, n)
    row: NDArray[np.int64]  # class of evidence
    own: NDArray[np.int64]  # count of the byte that came, 0 if never seen here
    seen: NDArray[np.int64]
    ones_twos_more: NDArray[np.int64]  # (orders, n, 3) successors seen once, twice, more often
    weight: NDArray[np.float64]  # (n,)

    def at(self, where: NDArray[np.bool_]) -> _Evidence:
        """The same at some positions only."""
        return _Evidence(
            self.known[:, where],
            self.row[:, where],
            self.own[:, where],
            self.seen[:, where],
            self.ones_twos_more[:, where],
            self.weight[where],
        )


def fit_discounts(model: TextModel, written: Sequence[str], measured: Sequence[str]) -> NDArray[np.int64]:
    """Discounts that code these lines, which the model has not seen, in the fewest bits; each kind weighs the same."""
    evidence = _look_up(model, written, measured)
    discounts = model.discounts / DISCOUNT_UNIT
    best = _bits(evidence, discounts)
    for _ in range(3):
        for index in np.ndindex(*discounts.shape):
            where = evidence.known[index[0]] & (evidence.row[index[0]] == index[1])
            if not where.any():
                continue
            seen_here = evidence.at(where)  # other positions do not see this discount
            elsewhere = best - _bits(seen_here, discounts)
            for value in GRID:
                if value >= index[2] + 1:  # never the whole count
                    break
                old, discounts[index] = discounts[index], value
                bits = elsewhere + _bits(seen_here, discounts)
                if bits < best - 1e-9:
                    best = bits
                else:
                    discounts[index] = old
    return np.minimum(np.rint(discounts * DISCOUNT_UNIT), DISCOUNT_UNIT * np.array([1, 2, 3]) - 1).astype(np.int64)


def _look_up(model: TextModel, written: Sequence[str], measured: Sequence[str]) -> _Evidence:
    rows = []
    weights = []
    sizes = [max(1, sum(map(len, lines))) for lines in (written, measured)]
    for lines, size in zip((written, measured), sizes, strict=True):
        for line in lines:
            data = line.encode() + bytes((END,))
            for at, symbol in enumerate(data):
                row = np.zeros((ORDERS, 7), dtype=np.int64)
                for order, symbols, counts in model.evidence(data[:at]):
                    own = counts[symbols == symbol]
                    groups = np.bincount(np.minimum(counts, 3), minlength=4)[1:]
                    seen = int(counts.sum())
                    row[order] = (1, evidence_class(seen), own[0] if len(own) else 0, seen, *groups)
                rows.append(row)
                weights.append(1 / size)
    table = np.stack(rows).transpose(1, 0, 2)
    return _Evidence(table[..., 0] > 0, table[..., 1], table[..., 2], table[..., 3], table[..., 4:], np.array(weights))


def _bits(evidence: _Evidence, discounts: NDArray[np.float64]) -> float:
    """Bits per character, summed over both kinds of lines."""
    likely = np.full(evidence.weight.shape, 1 / 256)
    for order in range(ORDERS):
        taken = discounts[order][evidence.row[order]]  # (n, 3)
        own = evidence.own[order]
        left = np.take_along_axis(taken, np.clip(own - 1, 0, 2)[:, None], axis=1)[:, 0]
        refined = own - np.where(own > 0, left, 0) + (taken * evidence.ones_twos_more[order]).sum(axis=1) * likely
        likely = np.where(evidence.known[order], refined / np.maximum(evidence.seen[order], 1), likely)
    return float(-(evidence.weight * np.log2(likely + 1e-7)).sum())


def information(model: TextModel, text: str) -> float:
    """Bits that a text takes under a model, its end included."""
    data = text.encode() + bytes((END,))
    return sum(log2(TOTAL / int(model.frequencies(data[:at])[symbol])) for at, symbol in enumerate(data))


def train_into(config: TextModelTraining, *, out: OutFolder) -> None:
    """Write the model and its log to a folder."""
    train(config, out)


main = Trainer("text-model", train_into, TextModelTraining(), "Train the caption model.")


if __name__ == "__main__":
    main()
