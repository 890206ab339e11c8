"""The sections of the report that are looked at: headline, videos, timeline, segments. Any value may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lgvsc.core.video import Pixels
from lgvsc.ui.accounts import Report, duration_s
from lgvsc.ui.clips import Clip, picture_uri
from lgvsc.ui.definitions import PROVENANCE_WORDS
from lgvsc.ui.plots import PROVENANCE, divergence_svg
from lgvsc.ui.text import DASH, esc, number, scientific, seconds

Pictures = Mapping[int, tuple[Pixels | None, Pixels | None]]

SIDES = ("sent", "received")  # of a picture or caption; a receiver by itself knows the second alone
MAX_SEGMENTS = 200  # shown one by one; the JSON has all of them
PARTS = {
    "control": "control",
    "caption": "caption",
    "side": "side information",
    "keyframe": "keyframe",
    "closing_keyframe": "closing keyframe",
    "key_sketch": "key sketch",
    "other_sketches": "other sketches",
    "video": "coded pictures",
    "structure": "structure layer",
}
LOOKS = {"lpips": "LPIPS", "lpips_vgg": "LPIPS (VGG)", "dists": "DISTS", "clip": "CLIP"}
GENERATED_NOTE = (
    "<b>The rebuilt video is generated content.</b> A receiver made it from words and a few pictures; between the "
    "keyframes it shows what may have happened, not what was recorded."
)
LAYERED_NOTE = (
    "<b>The rebuilt video is generated content.</b> A receiver made it from small, coarse frames, words and at most a "
    "few pictures; what moves was sent, detail and frames between them show what may have been there."
)
DECODED_NOTE = (
    "<b>A standard decoder made the rebuilt video.</b> Where coded pictures were lost, the last good one stands still."
)


def header(report: Report) -> str:
    """What was sent over what, in one sentence, and the numbers that people ask for first."""
    source, channel, metrics = (report.get(k) or {} for k in ("source", "channel", "metrics"))
    total, cbr = (report.get("symbols") or {}).get("total"), report.get("cbr")
    duration = duration_s(report)
    size = f"{esc(source.get('width', DASH))}×{esc(source.get('height', DASH))}"
    what = f"{seconds(duration)} of video ({size} at {number(source.get('fps'), 3).rstrip('0').rstrip('.')} fps)"
    snr = number(channel.get("snr_db"), 1).removesuffix(".0")
    words = f"{what} crossed {article(channel.get('kind'))} channel at {snr}\u00a0dB in {number(total, 0)} symbols"
    if cbr:
        words += f": one symbol for every {number(1 / cbr, 0)} values of the source"
    tiles = [
        ("CBR", scientific(cbr), "symbols per source value"),
        ("on the air", number(report.get("symbols_per_s"), 0), "symbols per second of video"),
        ("information", number(report.get("kbit_per_s"), 2), "kbit per second of video"),
        ("airtime", number(report.get("airtime_s"), 2, "s"), f"at {rate(report.get('symbol_rate_hz'))}"),
        ("PSNR", number(metrics.get("psnr_db"), 2, "dB"), identical(metrics)),
        ("SSIM", number(metrics.get("ssim"), 3), "1 is identical"),
        ("MS-SSIM", number(metrics.get("ms_ssim"), 3), "1 is identical"),
        groups_tile(report) if is_coded(report) else keyframes_tile(report),
    ]
    boxes = "".join(f"<div><dt>{n}</dt><dd>{v}</dd><dd class='note'>{note}</dd></div>" for n, v, note in tiles)
    return (
        f"<header><p class='kicker'>lgvsc · scheme {esc(report.get('scheme', DASH))} · preset "
        f"{esc(report.get('preset', DASH))} · seed {esc(report.get('seed', DASH))}{aims(report)}</p>"
        f"<h1>{esc(source.get('path', 'A video'), 120)}</h1><p class='lead'>{words}.</p>"
        f"<dl class='tiles'>{boxes}</dl>{damage(report)}{choices(report)}</header>"
    )


def aims(report: Report) -> str:
    """What the budget was spent for, and how faithful or vivid the receiver was asked to be."""
    objective, look = report.get("objective"), report.get("look")
    words = f" · objective {esc(objective)}" if objective else ""
    if isinstance(look, int | float):
        words += f" · look {number(look, 2).rstrip('0').rstrip('.')} of 1 (0 faithful, 1 vivid)"
    return words


def is_coded(report: Report) -> bool:
    """Whether a standard video codec did it."""
    return any(row.get("coding") for row in report.get("segments") or [])


def origin_note(report: Report) -> str:
    """What made the rebuilt video, and of what."""
    if is_coded(report):
        return DECODED_NOTE
    statuses = [row.get("status") or {} for row in report.get("segments") or []]
    return LAYERED_NOTE if any(status.get("structure") == "ok" for status in statuses) else GENERATED_NOTE


def keyframes_tile(report: Report) -> tuple[str, str, str]:
    return "keyframes", str(len(report.get("keyframes") or [])), counted_segments(len(report.get("segments") or []))


def counted_segments(count: int) -> str:
    return "in one segment" if count == 1 else f"in {count} segments"


def groups_tile(report: Report) -> tuple[str, str, str]:
    return "intra frames", str(len(report.get("segments") or [])), "one opens each group of pictures"


def player(report: Report, source: Clip | None, rebuilt: Clip | None, rival: tuple[Clip, Report] | None = None) -> str:
    """Source, rebuilt video and what another scheme made, side by side or one over the other, played together."""
    clips = [clip for clip in (source, rebuilt, rival[0] if rival else None) if clip]
    if not clips:
        return ""
    shown, whole = min(clip.frames for clip in clips), all(clip.whole for clip in clips)
    fps = float(clips[0].fps)
    limit = (
        "" if whole else f"<p class='note'>Shown here: the first {seconds(shown / fps)}. The files have all of it.</p>"
    )
    boxes: list[tuple[str, str, str, Clip | None]] = [("source", "Source", "", source)] if source else []
    boxes += [("rebuilt", f"Rebuilt by {esc(report.get('scheme', DASH))}", price(report), rebuilt)]
    boxes += [("rival", esc(rival[1].get("scheme", DASH)), price(rival[1]), rival[0])] if rival else []
    figures = "".join(
        f"<figure class='{name}'>{video_box(name, clip)}<figcaption><b>{label}</b><span class='note'>{note}</span>"
        "</figcaption></figure>"
        for name, label, note, clip in boxes
    )
    wipe = marks = under = ""
    if rebuilt is not None:
        marks = "<button type='button' id='marks' aria-pressed='true'>origin</button>"
    if source is not None and rebuilt is not None:
        wipe = "<button type='button' id='wipe' aria-pressed='false'>before / after</button>"
    if wipe and rival:
        under = (
            "<label id='against'>against <select><option value='source'>the source</option>"
            f"<option value='rival'>{esc(rival[1].get('scheme', DASH))}</option></select></label>"
        )
    return (
        f"<section id='player' class='card'><div id='stage' class='stage marked of-{len(boxes)}'>{figures}"
        "<input id='divider' type='range' min='0' max='100' value='50' aria-label='Where the two videos meet'></div>"
        "<div class='controls'><button type='button' id='play'>play</button>"
        "<button type='button' id='back' aria-label='One frame back'>‹</button>"
        "<button type='button' id='forth' aria-label='One frame on'>›</button>"
        f"<input id='scrub' type='range' min='0' max='{max(0, shown - 1)}' value='0' aria-label='Frame'>"
        "<output id='clock'></output><label>speed <select id='speed'><option value='0.25'>¼</option>"
        f"<option value='0.5'>½</option><option value='1' selected>1</option></select></label>"
        f"{wipe}{under}{marks}</div>"
        "<p id='caption-now' class='caption-now'></p>"
        f"<p class='generated-note'>{origin_note(report)}</p>"
        f"{limit}<noscript><p class='note'>Playing needs the page's own script.</p></noscript></section>"
    )


def timeline(report: Report) -> str:
    """Divergence, threshold, keyframes and where each frame came from; a click seeks."""
    source = report.get("source") or {}
    fps, frames = source.get("fps") or 25, source.get("frames")
    runs = [(int(a), int(b), str(kind)) for a, b, kind in report.get("provenance") or []]
    curve, keyframes = report.get("divergence_curve") or [], report.get("keyframes") or []
    coded, heard = is_coded(report), "sent" not in (report.get("sides") or SIDES)
    drawings = "".join(
        f"<div class='{name}'>"
        + divergence_svg(
            curve,
            report.get("threshold"),
            keyframes,
            fps,
            frames=frames,
            provenance=runs,
            width=width,
            height=24 if coded or heard else height,
            **({"empty": ""} if coded or heard else {}),
        )
        + "</div>"
        for name, width, height in (("wide", 960, 190), ("narrow", 360, 150))
    )
    count = dict.fromkeys(PROVENANCE, 0)
    for start, stop, kind in runs:
        count[kind if kind in count else "missing"] += stop - start
    legend = "".join(
        f"<li><i class='{kind}'></i>{kind} "
        f"<span class='note'>{number(n, 0)} frames, {PROVENANCE_WORDS[kind]}</span></li>"
        for kind, n in count.items()
        if n
    )
    if coded or heard:
        title, words = "Where each frame came from", "Click anywhere to go there."
    else:
        title = "Keyframes and what led to them"
        words = (
            "Triangles are keyframes. The curve says how far the present frame has moved away in meaning from the last "
            "keyframe; above the threshold a new one is sent. Click anywhere to go there."
        )
    return (
        f"<section class='card'><h2>{title}</h2><p class='note'>{words}</p>"
        f"{drawings}<ul class='legend'>{legend}</ul></section>"
    )


def segments(
    report: Report,
    pictures: Pictures,
    sketches: Pictures | None = None,
    structure: Mapping[int, Sequence[tuple[int, Pixels]]] | None = None,
) -> str:
    """Each segment as sent and as received.

    Args:
        pictures, sketches: Keyframes and sketches by frame index, as sent and as received.
        structure: A few frames of each structure layer as received, with their indices, by the segment's start.
    """
    sides = report.get("sides") or SIDES
    rows, fps = report.get("segments") or [], (report.get("source") or {}).get("fps") or 25
    cards = "".join(
        segment_card(i, row, fps, pictures, sketches or {}, (structure or {}).get(int(row.get("start", 0)), ()), sides)
        for i, row in enumerate(rows[:MAX_SEGMENTS])
    )
    more = (
        f"<p class='note'>{len(rows) - MAX_SEGMENTS} more segments are in the JSON report.</p>"
        if len(rows) > MAX_SEGMENTS
        else ""
    )
    title = "What was coded, and what arrived" if is_coded(report) else "What was said, and what arrived"
    return f"<section><h2>{title}</h2><div class='segments'>{cards}</div>{more}</section>"


def segment_card(
    index: int,
    row: Report,
    fps: float,
    pictures: Pictures,
    sketches: Pictures,
    structure: Sequence[tuple[int, Pixels]] = (),
    sides: Sequence[str] = SIDES,
) -> str:
    start, stop = int(row.get("start", 0)), int(row.get("stop", 0))
    status = row.get("status") or {}
    chips = "".join(
        f"<span class='chip {esc(state)}'>{label} {esc(state)}</span>"
        for part, label in PARTS.items()
        if (state := status.get(part)) in ("ok", "lost")
    )
    if row.get("coding"):
        shown = f"<p>{esc(row['coding'])}</p>"
        return segment_frame(index, row, fps, shown, chips, [f"{number(row.get('symbols'), 0)} symbols", *seen(row)])
    drawn = row.get("sketches") or []
    layered = row.get("structure")
    none_sent = (
        (drawn or layered) and status.get("keyframe") == "absent" and pictures.get(start, (None, None))[0] is None
    )
    thumbs = "" if none_sent else thumbnails(start, status.get("keyframe"), pictures, "keyframe", sides)
    if stop - 1 in pictures and stop - 1 != start:
        thumbs += thumbnails(stop - 1, status.get("closing_keyframe"), pictures, "last frame", sides)
    motion = row.get("motion") or {}
    facts = [
        f"divergence {number(row.get('divergence'), 3)}" if row.get("divergence") is not None else "",
        f"{number(row.get('symbols'), 0)} symbols" if row.get("symbols") is not None else "",
        f"{number(row.get('keyframe_symbols'), 0)} of them for pictures" if row.get("keyframe_symbols") else "",
        f"{number(row.get('sketch_symbols'), 0)} of them for sketches" if row.get("sketch_symbols") else "",
        f"{number(row.get('structure_symbols'), 0)} of them for small frames" if row.get("structure_symbols") else "",
        f"camera {esc(motion['camera'])}, motion {number(motion.get('score'), 1)}" if motion.get("camera") else "",
        f"hard cut at frame {esc(row['cut'])}" if row.get("cut") is not None else "",
        *seen(row),
    ]
    shown = f"<div class='thumbs'>{thumbs}</div>" if thumbs else ""
    shown += small_frames(layered, status.get("structure"), structure)
    shown += (
        drawings(drawn, status, sketches, sides)
        + colours(row.get("colours"), status.get("side"))
        + captions(row, sides)
    )
    return segment_frame(index, row, fps, shown, chips, facts)


def seen(row: Report) -> list[str]:
    """What networks that look as people do found in a segment, where they were asked."""
    found = row.get("metrics") or {}
    return [f"{name} {number(found[key], 3)}" for key, name in LOOKS.items() if found.get(key) is not None]


def segment_frame(index: int, row: Report, fps: float, shown: str, chips: str, facts: Sequence[str]) -> str:
    """A card with its title, what it shows, what became of the parts, and facts."""
    start, stop = int(row.get("start", 0)), int(row.get("stop", 0))
    name = "Group of pictures" if row.get("coding") else "Segment"
    return (
        f"<article class='card segment'><h3><button type='button' class='seek' data-frame='{start}'>"
        f"{name} {index + 1}</button>"
        f"<span class='note'>frames {start}–{stop - 1} · {seconds(start / fps)} to {seconds(stop / fps)}</span></h3>"
        f"{shown}<p class='chips'>{chips}</p>"
        f"<p class='note'>{' · '.join(fact for fact in facts if fact)}</p></article>"
    )


def thumbnails(frame: int, status: object, pictures: Pictures, what: str, sides: Sequence[str] = SIDES) -> str:
    shown = dict(zip(SIDES, pictures.get(frame, (None, None)), strict=True))
    lost = "lost" if status == "lost" else "none sent" if status == "absent" else "not kept"
    boxes = ""
    for label in sides:
        picture = shown[label]
        inner = (
            f"<img src='{picture_uri(picture)}' alt='{what} {frame} as {label}'>"
            if picture is not None
            else f"<span class='gap'>{lost if label == 'received' else 'not kept'}</span>"
        )
        boxes += f"<figure>{inner}<figcaption class='note'>{what} {label}</figcaption></figure>"
    return boxes


def small_frames(layer: Report | None, status: object, received: Sequence[tuple[int, Pixels]]) -> str:
    """How the structure layer of a segment was coded, and a few of its frames as they arrived."""
    if not layer:
        return ""
    how = (
        f"{number(layer.get('eighths'), 0)}/8 of each side, 1 frame in {number(layer.get('step'), 0)}, quantiser "
        f"{number(layer.get('quantiser'), 0)}, {number(layer.get('bytes'), 0)} bytes"
    )
    lost = "; its end was lost on the way" if received and status == "lost" else ""
    lost = "; lost on the way" if not received and status == "lost" else lost
    columns = "".join(
        f"<figure><img src='{picture_uri(picture)}' alt='frame {index} of the structure layer as received'>"
        f"<figcaption class='note'>frame {index}</figcaption></figure>"
        for index, picture in received
    )
    shown = f"<div class='sketches'>{columns}</div>" if columns else ""
    return f"{shown}<p class='note'>Structure layer as received: {how}{lost}.</p>"


def drawings(
    indices: Sequence[int], status: Mapping[str, Any], sketches: Pictures, sides: Sequence[str] = SIDES
) -> str:
    """The sketches of a segment: a row as sent, and below it a row as received."""
    if not indices:
        return ""
    columns = ""
    for place, index in enumerate(indices):
        sent, received = sketches.get(index, (None, None))
        lost = status.get("other_sketches" if place else "key_sketch") == "lost"
        boxes = "".join(
            f"<img src='{picture_uri(picture)}' alt='sketch of frame {index} as {label}'>"
            if picture is not None
            else f"<span class='gap'>{'lost' if lost and label == 'received' else 'not kept'}</span>"
            for label, picture in (("sent", sent), ("received", received))
            if label in sides
        )
        columns += f"<figure>{boxes}<figcaption class='note'>frame {index}</figcaption></figure>"
    words = "Sketches as received."
    if "sent" in sides:
        words = "Sketches as drawn by the transmitter, and below as the receiver got them."
    return f"<div class='sketches'>{columns}</div><p class='note'>{words}</p>"


def colours(cells: Sequence[Sequence[str]] | None, status: object) -> str:
    """The colour layout of a segment as sent, cell by cell."""
    if not cells:
        return ""
    boxes = "".join(f"<i style='background:#{esc(cell)}'></i>" for row in cells for cell in row)
    lost = ", lost on the way" if status == "lost" else ""
    return f"<div class='colours'>{boxes}</div><p class='note'>Mean colours of 8 x 8 cells{lost}.</p>"


def captions(row: Report, sides: Sequence[str] = SIDES) -> str:
    sent, received = row.get("caption"), row.get("caption_received")
    if "sent" not in sides:
        words = esc(received) if received is not None else "<em>no caption arrived</em>"
        return f"<blockquote class='received-caption'>{words}<footer class='note'>received</footer></blockquote>"
    if sent is None:
        return "<p class='note'>no caption was sent</p>"
    if sent == received:
        return f"<blockquote>{esc(sent)}<footer class='note'>arrived word for word</footer></blockquote>"
    got = "<em>lost on the way</em>" if received is None else esc(received)
    return (
        f"<blockquote>{esc(sent)}<footer class='note'>sent</footer></blockquote>"
        f"<blockquote class='received-caption'>{got}<footer class='note'>received</footer></blockquote>"
    )


def damage(report: Report) -> str:
    """What was lost, in one line."""
    lost = {k: v for k, v in (report.get("damage") or {}).items() if v}
    if not report.get("damage"):
        return ""
    if not lost:
        return "<p class='damage fine'>Every part arrived.</p>"
    words = ", ".join(f"{number(v, 0)} × {esc(str(k).replace('_', ' '))}" for k, v in lost.items())
    return f"<p class='damage'>Lost on the way: {words}.</p>"


def choices(report: Report) -> str:
    made = report.get("choices") or []
    items = "".join(f"<li>{esc(choice)}</li>" for choice in made)
    return f"<details><summary>What the rate control chose</summary><ul>{items}</ul></details>" if made else ""


def video_box(name: str, clip: Clip | None) -> str:
    if clip is None:
        return "<span class='gap'>not here</span>"
    origin = "<span class='origin'></span>" if name == "rebuilt" else ""
    return (
        f"<div class='screen'><video id='{name}' muted playsinline preload='auto' width='{clip.width}' "
        f"height='{clip.height}'></video>{origin}</div>"
    )


def price(report: Report) -> str:
    """What a video cost and how it looks, under it."""
    total, lpips = (report.get("symbols") or {}).get("total"), (report.get("metrics") or {}).get("lpips")
    words = [f"{number(total, 0)} symbols" if total else "", f"LPIPS {number(lpips, 3)}" if lpips is not None else ""]
    return " · ".join(word for word in words if word)


def article(kind: object) -> str:
    name = esc(kind or "unknown").upper() if kind in ("awgn", "tdl") else esc(kind or "unknown")
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"


def rate(hertz: Any) -> str:
    return (
        f"{number(hertz / 1000, 0)} thousand symbols/s"
        if isinstance(hertz, int | float) and hertz
        else "no stated rate"
    )


def identical(metrics: Mapping[str, Any]) -> str:
    same: Sequence[int] | int = metrics.get("identical_frames") or 0
    return f"{same} identical frames apart" if same else "mean over frames"
