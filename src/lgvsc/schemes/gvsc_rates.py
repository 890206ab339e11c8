"""GVSC's own bookkeeping of rates: a description has so many tokens of eight bits, and nothing else is counted."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, TypeAlias

from lgvsc.coding.parts.sketches import SKETCH_RATE_MAP
from lgvsc.core.ledger import Ledger

Accounting: TypeAlias = Literal["measured", "paper"]

TABLE = "gvsc_rates.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRate:
    """A row of GVSC's rates.

    Attributes:
        label, scheme: What the paper and what lgvsc calls it.
        described: Whether words are sent.
        visual_symbols: Of pictures or sketches, as far as the paper's own arithmetic goes.
        symbols: Of everything.
        cbr: ``symbols`` over the volume of a clip.
        stated_cbr: What the paper prints.
    """

    label: str
    scheme: str
    described: bool
    visual_symbols: float
    symbols: float
    cbr: float
    stated_cbr: float


def description_symbols(tokens: float) -> float:
    """Symbols of a description by the paper's accounting, N_d / (M R_c): 1.5 for each of its 8 bits a token.

    Source: Yin et al. 2025 (arXiv:2502.13838), section III-A. CRC, tail bits and whole symbols are not counted.
    """
    table = _table()
    return tokens * table["bits_per_token"] / (table["bits_per_symbol"] * float(Fraction(table["code_rate"])))


@lru_cache(maxsize=1)
def published_rates() -> tuple[PublishedRate, ...]:
    """The rows, with the symbols that follow from the text."""
    table = _table()
    volume = 3 * table["height"] * table["width"] * table["frames"]
    words = description_symbols(table["tokens"])
    rows = []
    for row in table["row"]:
        said = words if row["described"] else 0.0
        visual = row.get("visual_symbols")
        if visual is None:  # from the CBR of the visual part, or of everything
            visual = row["visual_cbr"] * volume if "visual_cbr" in row else row["cbr"] * volume - said
        rows.append(
            PublishedRate(
                label=row["label"],
                scheme=row["scheme"],
                described=row["described"],
                visual_symbols=float(visual),
                symbols=visual + said,
                cbr=(visual + said) / volume,
                stated_cbr=row["cbr"],
            )
        )
    return tuple(rows)


def paper_symbols(ledger: Ledger, captions: Iterable[str | None]) -> dict[str, float]:
    """Symbols by purpose, with ``total``, as GVSC would have counted the same transmission.

    A token is a character here, since only characters fit into eight bits. Control, side information and rate maps, of
    which the paper says nothing, cost nothing; analogue symbols count as they are.

    Args:
        ledger: What was really sent.
        captions: What was said, segment by segment.
    """
    uncounted = sum(entry.symbols for entry in ledger.entries if entry.label == SKETCH_RATE_MAP)
    spent: dict[str, float] = {name: float(count) for name, count in ledger.symbols.items() if name != "total"}
    spent |= {"control": 0.0, "side": 0.0, "sketches": spent["sketches"] - uncounted}
    spent["captions"] = sum(description_symbols(len(caption)) for caption in captions if caption)
    return spent | {"total": sum(spent.values())}


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return tomllib.loads(resources.files("lgvsc.schemes").joinpath(TABLE).read_text(encoding="utf-8"))
