"""Pages of frame pairs with their scores: one self-contained file each, pictures inside, no script, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from lgvsc.core.files import atomic_write
from lgvsc.core.interfaces import FOCUSES, Focus
from lgvsc.ui.report import whole_page
from lgvsc.ui.text import DASH, esc, number, seconds

FOCUS_WORDS: dict[Focus, str] = {"general": "general", "main_object": "main object", "background": "background"}
STYLE = """
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:14px}
.pair{display:flex;flex-direction:column;gap:8px;padding:14px}
.pair h3{display:flex;justify-content:space-between}
.pictures{display:grid;grid-template-columns:1fr 1fr;gap:8px}
.pictures figure{margin:0;min-width:0}
.pictures img{width:100%;display:block;border-radius:6px}
.pictures figcaption{color:var(--muted);font-size:.8rem;overflow-wrap:anywhere}
.scale{position:relative;height:14px;border-radius:4px;background:var(--line)}
.scale i{position:absolute;top:0;bottom:0;background:var(--accent);border-radius:4px}
.scale i.over{background:var(--warm)}
.scale b{position:absolute;top:-3px;bottom:-3px;width:2px;background:var(--ink)}
.pair td.bar-cell{width:45%}
.pair td,.pair th{padding:3px 0 3px 8px;vertical-align:middle}
"""


class Scored(Protocol):
    """A score as far as the page shows it."""

    @property
    def p_yes(self) -> float: ...
    @property
    def p_no(self) -> float: ...
    @property
    def s_rel(self) -> float: ...
    @property
    def texts(self) -> tuple[str, str]: ...


class ShownPair(Protocol):
    """A pair of frames as far as the page shows it."""

    @property
    def clip(self) -> str: ...
    @property
    def fps(self) -> float: ...
    @property
    def first(self) -> int: ...
    @property
    def second(self) -> int: ...
    @property
    def pictures(self) -> tuple[bytes, bytes]: ...
    @property
    def similarity(self) -> float | None: ...
    @property
    def scores(self) -> Mapping[Focus, Scored]: ...


def write_page(
    path: Path, title: str, lead: str, sections: Sequence[tuple[str, str, Sequence[ShownPair]]], eta: float, table: str
) -> None:
    """Write a page.

    Args:
        title, lead: What it is about, one line and one paragraph.
        sections: Heading, explanation and pairs of each.
        eta: Threshold of S_rel, marked on every scale.
        table: Rows of numbers for the top, from :func:`facts`.
    """
    body = [
        f"<header><p class='kicker'>lgvsc</p><h1>{esc(title)}</h1><p class='lead'>{esc(lead)}</p></header>",
        f"<section class='card'><table><tbody>{table}</tbody></table></section>",
        *(section(heading, words, pairs, eta) for heading, words, pairs in sections),
    ]
    page = whole_page(f"{title} · lgvsc", body, style=STYLE)
    with atomic_write(path) as file:
        file.write(page.encode())


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Names and values as rows of a table."""
    return "".join(
        f"<tr><th scope='row'>{esc(name)}</th><td class='name'>{esc(value)}</td></tr>" for name, value in rows
    )


def section(heading: str, words: str, pairs: Sequence[ShownPair], eta: float) -> str:
    """A heading and its pairs, or the statement that there are none."""
    found = "".join(card(pair, eta) for pair in pairs)
    inner = f"<div class='pairs'>{found}</div>" if found else "<p>There is no such pair in these videos.</p>"
    return f"<section><h2>{esc(heading)}</h2><p class='note'>{esc(words)}</p>{inner}</section>"


def card(pair: ShownPair, eta: float) -> str:
    """Two pictures, what was said of them, and a scale for each focus."""
    texts = next(iter(pair.scores.values())).texts
    figures = "".join(
        f"<figure><img alt='frame {index}' src='data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}'>"
        f"<figcaption>frame {index}, {seconds(index / pair.fps)}{': ' + esc(text, 400) if text else ''}</figcaption>"
        "</figure>"
        for index, data, text in zip((pair.first, pair.second), pair.pictures, texts, strict=True)
    )
    rows = "".join(
        f"<tr><th scope='row'>{FOCUS_WORDS[focus]}</th><td>{number(s.p_yes, 3)}</td><td>{number(s.p_no, 3)}</td>"
        f"<td>{signed(s.s_rel)}</td><td class='bar-cell'>{scale(s.s_rel, eta)}</td></tr>"
        for focus, s in ((focus, pair.scores[focus]) for focus in FOCUSES if focus in pair.scores)
    )
    alike = f"<span class='note'>cosine {number(pair.similarity, 3)}</span>" if pair.similarity is not None else ""
    return (
        f"<article class='card pair'><h3>{esc(pair.clip, 60)}{alike}</h3><div class='pictures'>{figures}</div>"
        "<table><thead><tr><th>focus</th><th>P(Yes)</th><th>P(No)</th><th>S_rel</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table></article>"
    )


def scale(value: float, eta: float) -> str:
    """A value between -1 and 1 as a bar from zero, and where the threshold is."""
    left, width = 50 + 50 * min(value, 0.0), 50 * abs(value)
    over = " class='over'" if value > eta else ""
    return (
        f"<div class='scale'><i{over} style='left:{left:.1f}%;width:{width:.1f}%'></i>"
        f"<b style='left:{50 + 50 * eta:.1f}%'></b></div>"
    )


def signed(value: float) -> str:
    """A divergence with its sign."""
    return f"{value:+.3f}".replace("-", "−") if value == value else DASH
