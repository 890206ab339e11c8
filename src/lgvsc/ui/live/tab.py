"""The live tab: a camera or a clip crosses the link as it plays, and the channel is turned while it does."""

from __future__ import annotations

import base64
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from lgvsc.errors import LgvscError
from lgvsc.ui.live.job import CAMERA, KNOBS, NUMBERS, RECEIVED, SOURCE
from lgvsc.ui.live.knobs import Knobs
from lgvsc.ui.page.parts import JOB_FOLDER, MAX_UPLOAD_BYTES, asset, file_box, line, refusal
from lgvsc.ui.page.work import JobError, Limits, Task, run_job, take_in
from lgvsc.ui.text import esc

CAMERA_HERE, SAMPLE, OWN = "camera", "built-in sample", "my clip"
SCHEMES = [
    ("layered-dsa · small video", "layered-dsa"),
    ("skem-dsa · keyframes and words", "skem-dsa"),
    ("text-only · captions alone", "text-only"),
]
LONGEST_S = 3600
LIMITS = Limits(wall_s=LONGEST_S + 300, processor_s=3 * LONGEST_S)
SPACING_S = 0.1  # between pictures that are handed to the browser, at least
BEHIND_S = 1.5  # from which it is said that a computer is too slow; less comes and goes


def live_tab(gr: Any) -> None:
    """Choose where pictures come from, start, and turn the channel."""
    with gr.Row(elem_classes="sides"):
        with gr.Column(scale=2, min_width=300, elem_classes="controls"):
            which = gr.Radio([CAMERA_HERE, SAMPLE, OWN], value=SAMPLE, label="Pictures",
                             info="A clip plays over and over.")  # fmt: skip
            upload = file_box(gr, "Drop a clip here, or press to choose one", visible=False)
            scheme = gr.Dropdown(SCHEMES, value="layered-dsa", label="Scheme", filterable=False)
            kbps = gr.Slider(2, 30, value=8, step=1, label="Small video, kbit/s", info="layered-dsa only.")
            coded_for = gr.Slider(-5, 20, value=6, step=1, label="Coded for an SNR of, dB",
                                  info="What the transmitter believes; it is not told.")  # fmt: skip
            with gr.Accordion("More", open=False):
                extra = gr.Slider(0, 1, value=0.25, step=0.05, label="Extra packets, as a share of the others")
                camera = gr.Number(0, precision=0, minimum=0, maximum=63, label="Number of the camera")
                seed = gr.Number(0, precision=0, minimum=0, maximum=2**31, label="Seed of noise and generation")
            with gr.Row():
                go = gr.Button("Start", variant="primary", elem_id="live-go", min_width=120, scale=3)
                stop = gr.Button("Stop", interactive=False, min_width=80, scale=1, elem_id="live-stop")
            status = gr.HTML(elem_classes="status", elem_id="live-status")
        with gr.Column(scale=5, min_width=320):
            with gr.Row(elem_classes="knobs"):
                snr = gr.Slider(-5, 20, value=10, step=0.5, label="SNR, dB (Es/N0)", min_width=150)
                loss = gr.Slider(0, 100, value=0, step=1, label="Packets lost on the way, %", min_width=150)
                look = gr.Slider(0, 1, value=1, step=0.1, label="Look (layered-dsa)", min_width=150)
            shown = gr.HTML(asset("empty_live.html"), elem_id="live-shown")
    folder_now = gr.State("")

    which.change(lambda chosen: gr.update(visible=chosen == OWN), which, upload, api_visibility="private")

    def turn(folder: str, snr: float, loss: float, look: float) -> None:
        if folder and Path(folder).is_dir():
            knobs_of(snr, loss, look).write(Path(folder) / KNOBS)

    for knob in (snr, loss, look):
        knob.change(turn, [folder_now, snr, loss, look], None, api_visibility="private", queue=False,
                    show_progress="hidden", trigger_mode="always_last")  # fmt: skip

    def work(which: str, upload: str | None, scheme: str, *positions: Any) -> Iterator:
        kbps, coded_for, extra, camera, seed, snr, loss, look = positions
        ended = (gr.update(interactive=True), gr.update(interactive=False), "")
        source = {CAMERA_HERE: f"{CAMERA}{int(camera or 0)}", OWN: "clip"}.get(which, "")
        settings = {"budget_kbps": kbps, "coded_for_db": coded_for, "extra": extra, "seed": int(seed or 0)}
        task = Task(kind="live", source=source, scheme=scheme, settings=settings, seconds=LONGEST_S, limits=LIMITS)
        with tempfile.TemporaryDirectory(prefix=JOB_FOLDER) as name, ExitStack() as ending:
            folder = Path(name)
            try:
                knobs_of(snr, loss, look).write(folder / KNOBS)
                if which == OWN:
                    if not upload:
                        raise JobError("no clip was chosen; drop one above, or take the built-in sample")
                    take_in(Path(upload), folder, source, max_bytes=MAX_UPLOAD_BYTES)
            except (LgvscError, OSError) as error:
                yield (refusal(str(error)), gr.skip(), *ended)
                return
            yield line("starting"), gr.skip(), gr.update(interactive=False), gr.update(interactive=True), name
            said, handed_s = "", 0.0
            for news in ending.enter_context(closing(run_job(task, folder))):
                if news.error:
                    yield (refusal(news.error), gr.skip(), *ended)
                    return
                due = time.monotonic() - handed_s >= SPACING_S
                picture = gr.skip()
                if news.made and due:
                    picture, handed_s = pictures(folder), time.monotonic()
                if news.say != said or (news.made and due):
                    yield (gr.skip() if news.say == said else line(news.say), picture, *[gr.skip()] * 3)
                said = news.say
            yield (line(f"{LONGEST_S // 60} minutes are over; press Start to go on"), gr.skip(), *ended)

    event = go.click(
        work,
        [which, upload, scheme, kbps, coded_for, extra, camera, seed, snr, loss, look],
        [status, shown, go, stop, folder_now],
        show_progress="hidden",
        api_visibility="private",
        concurrency_id="jobs",
    )
    stop.click(
        lambda: (line("stopped"), gr.update(interactive=True), gr.update(interactive=False), ""),
        None,
        [status, go, stop, folder_now],
        cancels=[event],
        api_visibility="private",
    )


def knobs_of(snr: float, loss: float, look: float) -> Knobs:
    """What the sliders say."""
    return Knobs(snr_db=float(snr), loss=float(loss) / 100, look=float(look))


def pictures(folder: Path) -> str:
    """What the process has laid down: both pictures, the words, and what was measured."""
    numbers = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
    source, received = picture(folder / SOURCE, "What the source gives now"), ""
    if numbers["origin"]:
        received = picture(folder / RECEIVED, "What the receiver shows")
    delay = "" if numbers["delay_s"] is None else f", {numbers['delay_s']:.1f} s later"
    stands = numbers["stands_s"] or 0.0
    still = f" · nothing new for {stands:.0f} s" if stands > 2 else ""
    origin = f"{numbers['origin']}{delay}{still}" if numbers["origin"] else "the first second is on its way"
    words = f"<blockquote>{esc(numbers['caption'])}</blockquote>" if numbers["caption"] else ""
    return (
        f'<div class="live"><figure>{source}<figcaption>Source, now</figcaption></figure>'
        f'<figure>{received or EMPTY}<figcaption>Received · <span class="origin">{esc(origin)}</span></figcaption>'
        f"</figure></div>{words}{behind(numbers)}<dl class='measured'>{cells(numbers)}</dl>"
    )


EMPTY = '<div class="nothing" role="img" aria-label="Nothing yet"></div>'


def picture(path: Path, words: str) -> str:
    """A picture that needs no request of its own."""
    data = base64.b64encode(path.read_bytes()).decode() if path.exists() else ""
    return f'<img decoding="sync" alt="{words}" src="data:image/jpeg;base64,{data}">' if data else EMPTY


def behind(numbers: dict[str, Any]) -> str:
    """By how much a computer is too slow for this, and what was left out for it."""
    seconds, left_out, taken = numbers["behind_s"], numbers["left_out"], numbers["taken"]
    if seconds < BEHIND_S and not left_out:
        return '<p class="behind">In step: nothing had to be left out.</p>'
    said = f"Behind by {seconds:.1f} s" if seconds >= BEHIND_S else "In step again"
    late = f"; the file was read {numbers['source_late_s']:.0f} s too slowly" if numbers["source_late_s"] >= 1 else ""
    return (
        f'<p class="behind late">{said}. To keep up, {numbers["unsent"]} of {taken} pictures were not '
        f"sent, {numbers['unmade']} of {numbers['segments']} segments not made, {numbers['unshown']} frames not "
        f"shown{late}.</p>"
    )


def cells(numbers: dict[str, Any]) -> str:
    """What was measured, a name and a value each."""
    sent, lost = max(1, numbers["sent"]), numbers["noisy"] + numbers["dropped"] + numbers["late"]
    parts = ", ".join(f"{count} {part}" for part, count in numbers["lost"].items()) or "none"
    shown = {
        "packets sent": f"{numbers['sent']}",
        "lost": f"{lost} ({100 * lost / sent:.0f} %)",
        "of them in noise": f"{numbers['noisy']}",
        "on the way": f"{numbers['dropped']}",
        "in a full queue": f"{numbers['late']}",
        "on the air": f"{numbers['kbit_per_s']:.1f} kbit/s",
        "symbols": f"{numbers['ksymbols_per_s']:.2f} k/s",
        "delay": "–" if numbers["delay_s"] is None else f"{numbers['delay_s']:.1f} s",
        "parts lost": parts,
    }
    return "".join(f"<div><dt>{esc(name)}</dt><dd>{esc(value)}</dd></div>" for name, value in shown.items())
