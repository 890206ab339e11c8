"""The page itself: a transmitter that shows the whole link, and a receiver that knows a recording and its settings."""

from __future__ import annotations

import html
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from lgvsc.errors import LgvscError, MissingResourceError
from lgvsc.ui.live.tab import live_tab
from lgvsc.ui.page import recordings
from lgvsc.ui.page.job import MESSAGE, PAGE, RECORDING
from lgvsc.ui.page.parts import JOB_FOLDER, MAX_UPLOAD_BYTES, asset, file_box, line, refusal
from lgvsc.ui.page.work import JobError, News, Task, run_job, take_in

HOST = "127.0.0.1"
MAX_WAITING = 4  # jobs; one works at a time
KEPT_S = 3600  # that an upload or a result stays on the disk while the page runs; all go when it ends
MAX_SIDE = 384  # of clips that are sent; larger ones are made smaller
METRICS = "psnr,ssim,ms_ssim,lpips"
RIVAL = "av1-ldpc"
SAMPLE, OWN = "built-in sample", "my clip"
KBPS, CBR = "kbit/s", "CBR"
SCHEMES = [
    ("layered-dsa · small video", "layered-dsa"),
    ("skem-dsa · keyframes and words", "skem-dsa"),
    ("text-only · captions alone", "text-only"),
    ("djscc-rgb · a learned code", "djscc-rgb"),
    ("av1-ldpc · AV1, channel code", "av1-ldpc"),
    ("h265-ldpc · H.265, channel code", "h265-ldpc"),
]
CODECS = ("av1-ldpc", "h265-ldpc")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; frame-src 'self' data: blob:; base-uri 'self'; form-action 'self'"
)


def serve(*, port: int, open_browser: bool, quiet: bool = False, live: bool = False) -> None:
    """Show the page on this computer, for this computer alone, until the process is stopped.

    Args:
        port: Of the loopback; 0 takes one that is free.
        live: With a tab on which a camera or a clip crosses the link as it plays.

    Raises:
        MissingResourceError: Gradio is not installed.
        LgvscError: The port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="lgvsc-ui-") as folder:
        # Read when Gradio is imported: where uploads lie, and that nothing is told to anybody.
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        page = build(live=live)
        for name in ("SIGTERM", "SIGHUP"):  # of a container, of a terminal that is closed: ended as by Ctrl-C
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.default_int_handler)
        try:
            launch(page, port=port, open_browser=open_browser, quiet=quiet)
        except OSError as error:
            raise LgvscError(f"port {port} of {HOST} is taken; give another one with --port, or 0") from error


def launch(page: Any, *, port: int, open_browser: bool, quiet: bool, wait: bool = True) -> str:
    """Start the server. Returns the page's address when ``wait`` is off, else when the server has stopped."""
    import gradio as gr
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    _, address, _ = page.queue(max_size=MAX_WAITING, default_concurrency_limit=1).launch(
        server_name=HOST,
        server_port=port or free_port(),
        share=False,
        inbrowser=open_browser,
        quiet=quiet,
        ssr_mode=False,
        prevent_thread_lock=not wait,
        show_error=True,
        max_file_size=MAX_UPLOAD_BYTES,
        footer_links=[],
        enable_monitoring=False,
        run_history=False,
        theme=gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=["system-ui", "sans-serif"],
                             font_mono=["ui-monospace", "monospace"], radius_size="lg"),
        css=asset("page.css"),
        head=f"<script>{asset('page.js')}</script>",
        app_kwargs={
            "middleware": [
                Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
                Middleware(WithPolicy),
            ]
        },
    )  # fmt: skip
    return str(address)


class WithPolicy:
    """Says with every answer what a browser may fetch for the page: nothing from elsewhere."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def told(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        await self.app(scope, receive, told)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def build(*, live: bool = False) -> Any:
    """The page as Gradio's blocks.

    Raises:
        MissingResourceError: Gradio is not installed.
    """
    try:
        import gradio as gr
    except ImportError as error:
        raise MissingResourceError(
            "the page is made with Gradio, which is not installed; run: pip install 'lgvsc[ui]'"
        ) from error

    with gr.Blocks(title="lgvsc", analytics_enabled=False, fill_width=True, delete_cache=(60, KEPT_S)) as page:
        gr.HTML(asset("head.html"))
        with gr.Tabs():
            if live:
                with gr.Tab("Live", id="live"):
                    live_tab(gr)
            with gr.Tab("Send", id="send"):
                send_tab(gr)
            with gr.Tab("Receive", id="receive"):
                receive_tab(gr)
    return page


def send_tab(gr: Any) -> None:
    """Choose a clip and a channel; see what was sent, what arrived, and what a codec does with as many symbols."""
    with gr.Row(elem_classes="sides"):
        with gr.Column(scale=2, min_width=300, elem_classes="controls"):
            which = gr.Radio([SAMPLE, OWN], value=SAMPLE, label="Clip", info="Three seconds of photographs, or yours.")
            upload = file_box(gr, "Drop a clip here, or press to choose one", visible=False)
            scheme = gr.Dropdown(SCHEMES, value="layered-dsa", label="Scheme", filterable=False)
            unit = gr.Radio([KBPS, CBR], value=KBPS, label="Budget in")
            kbps = gr.Slider(0.5, 20, value=3, step=0.5, label="Budget, kbit/s")
            cbr = gr.Slider(1, 30, value=6, step=0.5, label="Budget, CBR in 1e-4", visible=False)
            snr = gr.Slider(-5, 20, value=3, step=0.5, label="SNR, dB (Es/N0)")
            look = gr.Slider(0, 1, value=1, step=0.1, label="Look", info="0 faithful, errs least; 1 vivid, looks best.")
            with gr.Accordion("More", open=False):
                channel = gr.Radio(["awgn", "rayleigh", "tdl"], value="awgn", label="Channel")
                seconds = gr.Slider(1, 8, value=3, step=1, label="Seconds of the clip")
                seed = gr.Number(0, precision=0, minimum=0, maximum=2**31, label="Seed of noise and generation")
                rival = gr.Checkbox(True, label="Show AV1 at as many symbols")
            with gr.Row():
                go = gr.Button("Send it", variant="primary", elem_id="go", min_width=120, scale=3)
                stop = gr.Button("Stop", interactive=False, min_width=80, scale=1)
            status = gr.HTML(elem_classes="status", elem_id="status")
            with gr.Row(elem_classes="downloads"):
                names = ("Message (.lgvsc)", "Recording (.sigmf)", "This page (.html)")
                downloads = [gr.DownloadButton(name, visible=False, size="sm") for name in names]
        with gr.Column(scale=5, min_width=320):
            shown = gr.HTML(asset("empty.html"), elem_id="result")

    which.change(lambda chosen: gr.update(visible=chosen == OWN), which, upload, api_visibility="private")
    unit.change(
        lambda chosen: (gr.update(visible=chosen == KBPS), gr.update(visible=chosen == CBR)),
        unit,
        [kbps, cbr],
        api_visibility="private",
    )

    def work(which: str, upload: str | None, scheme: str, unit: str, kbps: float, cbr: float, *more: Any) -> Iterator:
        snr, look, channel, seconds, seed, rival = more
        settings = sent_with(scheme, f"{kbps:g}kbps" if unit == KBPS else f"{cbr / 1e4:g}cbr", snr, look)
        settings |= {"channel.kind": channel, "seed": int(seed or 0)}
        source = "clip" if which == OWN else ""
        task = Task(
            kind="send", source=source, scheme=scheme, settings=settings, seconds=min(8.0, float(seconds)),
            rival=RIVAL if rival and scheme not in CODECS else "",
        )  # fmt: skip
        ended = (gr.update(interactive=True), gr.update(interactive=False))
        yield (line("starting"), gr.skip(), *[gr.update(visible=False)] * 3, gr.update(interactive=False),
               gr.update(interactive=True))  # fmt: skip
        with tempfile.TemporaryDirectory(prefix=JOB_FOLDER) as name, ExitStack() as ending:
            folder = Path(name)
            try:
                if source:
                    if not upload:
                        raise JobError("no clip was chosen; drop one above, or take the built-in sample")
                    take_in(Path(upload), folder, source, max_bytes=MAX_UPLOAD_BYTES)
            except (LgvscError, OSError) as error:
                yield (refusal(str(error)), *[gr.skip()] * 4, *ended)
                return
            for news in ending.enter_context(closing(run_job(task, folder))):
                if news.error:
                    yield (refusal(news.error), *[gr.skip()] * 4, *ended)
                    return
                if news.made:
                    archive = folder / f"{RECORDING}{recordings.SUFFIX}"
                    recordings.pack(folder / RECORDING, archive)
                    offered = [gr.update(value=str(folder / f), visible=True) for f in (MESSAGE, archive.name, PAGE)]
                    yield (progress_of(news), frame(folder / PAGE), *offered, gr.skip(), gr.skip())
                else:
                    yield (progress_of(news), *[gr.skip()] * 6)
            yield (line("done"), *[gr.skip()] * 4, *ended)

    inputs = [which, upload, scheme, unit, kbps, cbr, snr, look, channel, seconds, seed, rival]
    outputs = [status, shown, *downloads, go, stop]
    event = go.click(work, inputs, outputs, show_progress="hidden", api_visibility="private", concurrency_id="jobs")
    stop.click(
        lambda: (line("stopped"), gr.update(interactive=True), gr.update(interactive=False)),
        None,
        [status, go, stop],
        cancels=[event],
        api_visibility="private",
    )


def receive_tab(gr: Any) -> None:
    """A recording and the settings of a receiver; the rest is unknown here."""
    with gr.Row(elem_classes="sides"):
        with gr.Column(scale=2, min_width=300, elem_classes="controls"):
            upload = file_box(gr, "Recording: .sigmf, or both files of it", several=True)
            scheme = gr.Dropdown(SCHEMES, value="layered-dsa", label="Scheme", filterable=False)
            look = gr.Slider(0, 1, value=1, step=0.1, label="Look", info="0 faithful, errs least; 1 vivid, looks best.")
            seed = gr.Number(0, precision=0, minimum=0, maximum=2**31, label="Seed of generation")
            go = gr.Button("Make the video", variant="primary", elem_id="make")
            status = gr.HTML(elem_classes="status", elem_id="heard")
        with gr.Column(scale=5, min_width=320):
            shown = gr.HTML(asset("empty_receiver.html"), elem_id="received")

    def work(uploads: list[str] | None, scheme: str, look: float, seed: float | None) -> Iterator:
        yield line("starting"), gr.skip(), gr.update(interactive=False)
        with tempfile.TemporaryDirectory(prefix=JOB_FOLDER) as name, ExitStack() as ending:
            folder = Path(name)
            try:
                if not uploads:
                    raise JobError("no recording was chosen; the Send tab gives one")
                stem = recordings.unpack([Path(file) for file in uploads], folder)
            except (LgvscError, OSError) as error:
                yield refusal(str(error)), gr.skip(), gr.update(interactive=True)
                return
            settings = {**look_of(scheme, look), "seed": int(seed or 0)}
            task = Task(kind="receive", source=stem.name, scheme=scheme, settings=settings)
            for news in ending.enter_context(closing(run_job(task, folder))):
                if news.error:
                    yield refusal(news.error), gr.skip(), gr.update(interactive=True)
                    return
                yield progress_of(news), frame(folder / PAGE) if news.made else gr.skip(), gr.skip()
            yield line("done"), gr.skip(), gr.update(interactive=True)

    go.click(
        work,
        [upload, scheme, look, seed],
        [status, shown, go],
        show_progress="hidden",
        api_visibility="private",
        concurrency_id="jobs",
    )


def sent_with(scheme: str, budget: str, snr_db: float, look: float) -> dict[str, Any]:
    """Settings of a run as the page's controls stand."""
    settings = {"coding.budget": budget, "channel.snr_db": float(snr_db), "link.max_side": MAX_SIDE}
    settings |= {"link.metrics": METRICS} | look_of(scheme, look)
    return settings | {"structure.effort": "live"}  # of small frames, where the scheme has them: nobody waits long


def look_of(scheme: str, look: float) -> dict[str, Any]:
    """The look, for schemes that have one."""
    from lgvsc import kinds

    return {"world.look": float(look)} if kinds.kind_of(scheme).generated else {}


def frame(page: Path) -> str:
    """A page within the page: it runs its own script, and cannot reach this one."""
    shown = html.escape(page.read_text(encoding="utf-8"), quote=True)
    return f'<iframe class="run" title="What was sent and received" sandbox="allow-scripts" srcdoc="{shown}"></iframe>'


def progress_of(news: News) -> str:
    """How far a job is."""
    words = f"{news.say}, {news.done} of {news.total} frames" if news.total else news.say
    return line(f"{words} · {news.seconds:.0f} s", news.done / news.total if news.total else None)
