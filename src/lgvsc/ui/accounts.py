"""The sections of the report that are tables: symbols, metrics, seconds, models. Every value may be missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lgvsc.core.air import PURPOSES
from lgvsc.metrics.registry import BY_KEY
from lgvsc.ui.citations import BIBTEX
from lgvsc.ui.definitions import DEFINITIONS
from lgvsc.ui.text import DASH, esc, number

Report = Mapping[str, Any]


def symbols(report: Report) -> str:
    """Where the symbols went."""
    spent = report.get("symbols") or {}
    total = spent.get("total") or 0
    closing = min(report.get("closing_keyframe_symbols") or 0, spent.get("keyframes") or 0)
    rows: list[tuple[str, int, str]] = [
        (purpose, spent.get(purpose) or 0, purpose) for purpose in PURPOSES if spent.get(purpose)
    ]
    if closing:
        rows = [(name, n - closing if name == "keyframes" else n, css) for name, n, css in rows]
        rows.insert([name for name, _, _ in rows].index("keyframes") + 1, ("closing keyframe", closing, "closing"))
    bar = "".join(
        f"<i class='p-{css}' style='width:{100 * n / total:.3f}%' title='{name}: {100 * n / total:.1f} %'></i>"
        for name, n, css in rows
        if n and total
    )
    apart = ", and the closing keyframe, the last frame of the video, which stands here on its own" if closing else ""
    duration = duration_s(report)
    cells = "".join(
        f"<tr><th scope='row'><i class='swatch p-{css}'></i>{name}</th><td>{number(n, 0)}</td>"
        f"<td>{number(100 * n / total if total else None, 1, '%')}</td>"
        f"<td>{number(n / duration if duration else None, 1)}</td></tr>"
        for name, n, css in rows
    )
    return (
        f"<section class='card'><h2>Where the symbols went</h2><div class='bar'>{bar}</div><table><thead><tr>"
        f"<th>purpose</th><th>symbols</th><th>share</th><th>per second</th></tr></thead>"
        f"<tbody>{cells}</tbody><tfoot><tr><th scope='row'>total</th><td>{number(total, 0)}</td>"
        f"<td>{number(100 if total else None, 1, '%')}</td>"
        f"<td>{number(report.get('symbols_per_s'), 1)}</td></tr></tfoot></table>"
        f"<p class='note'>Everything is counted: control, CRC, parity, padding{apart}.</p></section>"
    )


def quality(report: Report) -> str:
    """The measured numbers with their definitions one click away."""
    metrics = report.get("metrics") or {}
    absent = metrics.get("absent") or {}
    known = [
        ("PSNR", number(metrics.get("psnr_db"), 2, "dB"), absent.get("psnr_db", "")),
        ("SSIM", number(metrics.get("ssim"), 4), absent.get("ssim", "")),
        ("MS-SSIM", number(metrics.get("ms_ssim"), 4), absent.get("ms_ssim", "")),
    ]
    taken = {"psnr_db", "ssim", "ms_ssim", "absent", "frames", "identical_frames", "every", "details"}
    details = metrics.get("details") or {}
    known += [
        (label_of(key), number(value, 3), absent.get(key, "") or measured_how(details.get(key) or {}))
        for key, value in metrics.items()
        if key not in taken
    ]
    rows = "".join(
        f"<tr><th scope='row'>{n}</th><td>{v}</td><td class='note why'>{esc(why)}</td></tr>" for n, v, why in known
    )
    counted = f"{number(metrics.get('frames'), 0)} frames were measured" if metrics else "Nothing was measured"
    every = metrics.get("every") or 1
    if every > 1:
        counted += f", one in {every}"
    words = "".join(f"<dt>{esc(term)}</dt><dd>{esc(meaning)}</dd>" for term, meaning in DEFINITIONS)
    return (
        f"<section class='card'><h2>How close it came</h2><table><tbody>{rows}</tbody></table>"
        f"<p class='note'>{counted}. Numbers that compare pixels say little about meaning: a generated frame may show "
        "the right thing a few pixels off.</p>"
        f"<details><summary>What these words mean</summary><dl class='words'>{words}</dl></details></section>"
    )


def label_of(key: str) -> str:
    """A metric as tables call it, by its key in reports; the key itself where it is none of ours."""
    return BY_KEY[key].label if key in BY_KEY else esc(key)


def measured_how(details: Report) -> str:
    """Which way is better, and on how many frames a metric was measured; empty where the report does not say."""
    if not details:
        return ""
    source = details.get("source")
    words = (
        f"{details['direction']} is better" if details["direction"] in ("higher", "lower") else "best as the source's"
    )
    words += f", {source:.3f}" if isinstance(source, int | float) else ""
    return f"{words}; {details['frames']} frames; {details['version']}"


def timing(report: Report) -> str:
    """Seconds per stage, against the duration of the video."""
    spent = {k: v for k, v in (report.get("timing_s") or {}).items() if isinstance(v, int | float)}
    if not spent:
        return ""
    total, duration = spent.get("total") or sum(spent.values()), duration_s(report)
    rows = "".join(
        f"<tr><th scope='row'>{esc(stage)}</th><td>{number(value, 2, 's')}</td>"
        f"<td class='meter'><i style='width:{100 * min(1.0, value / total) if total else 0:.1f}%'></i></td></tr>"
        for stage, value in spent.items()
        if stage != "total"
    )
    pace = f", {number(duration / total, 2)} times real time" if total and duration else ""
    return (
        f"<section class='card'><h2>Where the seconds went</h2><table class='timing'><tbody>{rows}</tbody><tfoot><tr>"
        f"<th scope='row'>total</th><td>{number(total, 2, 's')}</td><td></td></tr></tfoot></table>"
        f"<p class='note'>Wall time of the whole chain on one machine{pace}.</p></section>"
    )


COST_WORDS = {
    "pairs": "frame pairs scored",
    "descriptions": "descriptions written",
    "remembered": "descriptions remembered",
    "model_calls": "model calls",
    "vision_tiles": "vision tiles",
    "prefill_tokens": "tokens read",
    "decode_tokens": "tokens written",
    "decode_steps": "steps of writing",
    "pictures_detected": "pictures looked at by the detector",
    "pictures_classified": "pictures looked at by the classifier",
    "captions": "captions",
    "caption_words": "words in captions",
}


def cost(report: Report) -> str:
    """What captioner and judge did; nothing where they did nothing."""
    spent = report.get("cost") or {}
    if not spent.get("model_calls"):
        return ""
    rows = "".join(
        f"<tr><th scope='row'>{words}</th><td>{number(spent.get(key), 0)}</td></tr>"
        for key, words in COST_WORDS.items()
        if spent.get(key)
    )
    flops, wasted = spent.get("flops"), spent.get("wasted_share")
    rows += f"<tr><th scope='row'>operations</th><td>{number(flops / 1e9 if flops else None, 1)} GFLOP</td></tr>"
    rows += f"<tr><th scope='row'>inside the models</th><td>{number(spent.get('seconds'), 2, 's')}</td></tr>"
    note = (
        f"<p class='note'>{100 * wasted:.0f} % of the pairs were scored in vain, ahead of a keyframe.</p>"
        if wasted
        else ""
    )
    heading = "<h2>What captioner and judge cost</h2>"
    return f"<section class='card'>{heading}<table><tbody>{rows}</tbody></table>{note}</section>"


def provenance_of_numbers(report: Report) -> str:
    """Models, environment, configuration: what is needed to get the same numbers again."""
    models = "".join(
        f"<tr><th scope='row'>{esc(role)}</th><td class='name'>{esc(m.get('name', DASH))}</td>"
        f"<td class='hash'>{esc(m.get('sha256') or 'no weights')}</td></tr>"
        for role, m in (report.get("models") or {}).items()
    )
    source = report.get("source") or {}
    about = {"source sha256": source.get("sha256"), **(report.get("environment") or {})}
    about |= {"rebuilt video": report.get("output"), "snr is": (report.get("channel") or {}).get("snr_def")}
    facts = "".join(
        f"<tr><th scope='row'>{esc(k)}</th><td class='hash'>{esc(v)}</td></tr>" for k, v in about.items() if v
    )
    config = report.get("config")
    shown = esc_block(json.dumps(config, indent=2, ensure_ascii=False)) if config else ""
    return (
        f"<section class='card'><h2>To get the same numbers again</h2>{command(report)}"
        f"<div class='scroll'><table><tbody>{models}</tbody></table></div>"
        "<details><summary>Environment</summary><div class='scroll'>"
        f"<table><tbody>{facts}</tbody></table></div></details>"
        + (f"<details><summary>Configuration</summary><pre>{shown}</pre></details>" if shown else "")
        + "</section>"
    )


def command(report: Report) -> str:
    """The command that made the page, and a button that copies it."""
    words = report.get("command")
    if not words:
        return ""
    return (
        f"<div class='command'><code id='command'>{esc(words)}</code>"
        "<button type='button' id='copy' aria-live='polite'>copy</button></div>"
    )


def citation() -> str:
    return (
        "<section class='card'><h2>How to cite</h2><details><summary>BibTeX of the software and of the two papers "
        f"that it implements</summary><pre>{esc_block(BIBTEX.strip())}</pre></details></section>"
    )


def esc_block(text: str) -> str:
    """Several lines, each made harmless, the line breaks kept."""
    lines: Iterable[str] = text.splitlines()
    return "\n".join(esc(line) for line in lines)


def duration_s(report: Report) -> float:
    source = report.get("source") or {}
    fps = source.get("fps") or 0
    return (source.get("frames") or 0) / fps if fps else 0.0
