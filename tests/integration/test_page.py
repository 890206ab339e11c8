"""The page in a real browser: a clip is sent, looked at, taken away and received again; uploads are refused politely.

With ``LGVSC_SCREENSHOTS=FOLDER`` the pictures of the docs are made on the way.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from lgvsc.core.container import read_message

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
SHOTS = os.environ.get("LGVSC_SCREENSHOTS", "")
COPIED = """async () => {
  const button = document.querySelector("#copy");
  button.click();
  for (let tries = 0; tries < 600 && button.textContent != "copied"; tries++)
    await new Promise((go) => setTimeout(go, 50));
  return button.textContent == "copied";
}"""
# The page of a run lets nobody evaluate strings in it, so what waits there is a function.
SHOWN = """async () => {
  const shown = () => [...document.querySelectorAll("video")].every((video) => video.readyState > 1 && !video.seeking);
  for (let tries = 0; tries < 2000 && !shown(); tries++) await new Promise((go) => setTimeout(go, 50));
  return shown();
}"""
ON_TOP = """() => {
  const place = document.querySelector("#rebuilt").getBoundingClientRect();
  return document.elementFromPoint(place.right - 20, place.top + 60)?.id;
}"""
FITS = """async () => {
  for (let tries = 0; tries < 200 && innerWidth > 380; tries++) await new Promise((go) => setTimeout(go, 50));
  return innerWidth > 320 && document.documentElement.scrollWidth <= innerWidth;
}"""
PATIENCE_MS = 600_000  # of a machine with much else to do

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine; apt-get install chromium"),
]
gradio = pytest.importorskip("gradio", reason="pip install 'lgvsc[ui]'")
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytest.importorskip("skimage", reason="the sample clip is made of photographs of scikit-image")


def served(tmp_path_factory, **how):
    from lgvsc.ui.page import layout

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        blocks = layout.build(**how)
        yield layout.launch(blocks, port=0, open_browser=False, quiet=True, wait=False)
        blocks.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    yield from served(tmp_path_factory)


@pytest.fixture(scope="module")
def live_address(tmp_path_factory):
    yield from served(tmp_path_factory, live=True)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def visit(browser, address, asked, tab="Send", **how):
    context = browser.new_context(accept_downloads=True, **{"viewport": {"width": 1280, "height": 860}} | how)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.get_by_role("tab", name=tab).click()
    page.get_by_role("button", name={"Live": "Start", "Send": "Send it", "Receive": "Make the video"}[tab]).wait_for()
    return page


def ended(page, where="#status"):
    page.wait_for_function(
        "where => { const s = document.querySelector(where); return s && (s.querySelector('.refused') "
        "|| s.textContent.trim() == 'done') }",
        arg=where,
    )
    return page.inner_text(where).strip()


def shoot(page, name):
    """A picture for the docs, as small as a palette of 256 colours makes it; nothing where none was asked for."""
    if not SHOTS:
        return
    from PIL import Image

    path = Path(SHOTS) / f"{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size < 200_000


def test_a_clip_is_sent_looked_at_taken_away_and_received_again(browser, address, tmp_path):
    asked = []
    page = visit(browser, address, asked, color_scheme="light")
    page.get_by_role("button", name="More").click()
    page.get_by_label("number input for Seconds of the clip").fill("3" if SHOTS else "1")
    page.get_by_label("number input for Seconds of the clip").press("Tab")
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Send it").focus()
    page.keyboard.press("Enter")  # everything goes by keyboard
    run = page.frame_locator("iframe.run")
    run.locator("#rebuilt").wait_for()
    assert ended(page) == "done"

    run.locator("#rival").wait_for()
    assert run.locator("video").count() == 3
    run.locator("#scrub").focus()
    page.keyboard.press("End")
    inside = page.frames[-1]
    assert inside.evaluate(SHOWN)
    page.evaluate("scrollTo(0, 0)")
    shoot(page, "page-send")
    assert run.locator(".origin").inner_text() in ("received", "generated", "concealed")
    assert "symbols" in run.locator(".rival figcaption").inner_text()
    assert run.locator("svg.tl:visible").count() == 1 and run.locator(".segment").count() >= 1
    assert "lgvsc run sample.mp4 --preset compact --scheme layered-dsa" in run.locator("#command").inner_text()
    assert inside.evaluate(COPIED)
    run.get_by_role("button", name="before / after").click()
    run.locator("#divider").focus()
    page.keyboard.press("ArrowLeft")
    assert inside.evaluate("getComputedStyle(document.querySelector('#stage')).getPropertyValue('--cut')") == "49%"
    run.locator("#against select").select_option("rival")
    assert inside.evaluate(ON_TOP) == "rebuilt"
    run.get_by_role("button", name="before / after").click()
    frame, height = page.locator("iframe.run"), inside.evaluate("document.documentElement.scrollHeight")
    assert abs(frame.bounding_box()["height"] - height) < 40  # nothing scrolls within the page

    page.get_by_role("button", name="Stop").focus()
    stops = by_keyboard(page)
    assert stops[-1] == "BODY" and "IFRAME" in stops
    page.set_viewport_size({"width": 380, "height": 800})
    assert inside.evaluate(FITS) and page.evaluate("document.documentElement.scrollWidth") <= 380
    shoot(page, "page-send-telephone")
    page.set_viewport_size({"width": 1280, "height": 860})

    taken = {}
    for name in ("Message (.lgvsc)", "Recording (.sigmf)", "This page (.html)"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        taken[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(taken[name])
    assert read_message(taken["Message (.lgvsc)"]).segments[0].structure
    assert b"<!doctype html>" in taken["This page (.html)"].read_bytes()[:20]

    page.get_by_role("tab", name="Receive").click()
    page.locator("input[type=file]:visible, input[type=file]").last.set_input_files(taken["Recording (.sigmf)"])
    page.get_by_text("received.sigmf").first.wait_for()
    page.get_by_role("button", name="Make the video").click()
    heard = page.frame_locator("#received iframe.run")
    heard.locator("#rebuilt").wait_for()
    assert ended(page, "#heard") == "done"
    assert heard.locator("video").count() == 1 and heard.locator("#source").count() == 0
    assert "neither the source nor what was sent" in heard.locator(".lead").inner_text()
    assert heard.locator("blockquote").count() == heard.locator(".segment").count()
    page.evaluate("scrollTo(0, 0)")
    shoot(page, "page-receive")
    assert all(url.startswith((address, "data:", "blob:", "about:")) for url in asked), "it asked elsewhere"


def test_it_fits_a_telephone_in_the_dark_and_refuses_what_is_no_video_in_a_sentence(browser, address, tmp_path):
    page = visit(browser, address, [], color_scheme="dark", viewport={"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    background = np.array(page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"))
    assert background[:3].mean() < 80
    page.get_by_text("my clip").click()
    page.get_by_role("button", name="Send it").click()
    assert ended(page).startswith("no clip was chosen")
    (tmp_path / "<img src=x onerror=alert(1)>.mp4").write_bytes(b"ffconcat version 1.0\nfile /etc/passwd\n" * 40)
    page.locator("input[type=file]").first.set_input_files(tmp_path / "<img src=x onerror=alert(1)>.mp4")
    page.locator(".file-preview").first.wait_for()
    page.get_by_role("button", name="Send it").click()
    page.wait_for_function("document.querySelector('#status .refused')?.textContent.startsWith('clip')")
    assert "passwd" not in page.inner_text("#status") and "\n" not in page.inner_text("#status").strip()
    shoot(page, "page-telephone")


FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const shown = style.outlineStyle != "none" || style.boxShadow != "none" || at.tagName == "IFRAME";
  at.dataset.reached = shown ? "yes" : "unseen";
  return at.tagName;
}"""
MISSED = """() => [...document.querySelectorAll("button, input, select, textarea, a[href], [tabindex='0']")]
  .filter((one) => one.checkVisibility({visibilityProperty: true}) && !one.disabled && one.tabIndex >= 0)
  .filter((one) => one.type != "file" && one.dataset.reached != "yes")
  .map((one) => `${one.dataset.reached ?? "missed"}: ${one.ariaLabel ?? one.innerText ?? one.name}`)"""
RISES = """() => {
  const reached = [...document.querySelectorAll("[data-reached]")].map((one) => one.getBoundingClientRect());
  return reached.every((place, at) => !at || place.left > reached[at - 1].left || place.top > reached[at - 1].top);
}"""


def by_keyboard(page, key="Tab"):
    """What the Tab key leads to, until it leaves the page; a page that holds on to the focus is never left."""
    stops = []
    while not stops or (stops[-1] != "BODY" and len(stops) < 120):
        page.keyboard.press(key)
        stops.append(page.evaluate(FOCUSED))
    return stops


@pytest.mark.parametrize("tab", ["Live", "Send", "Receive"])
def test_by_keyboard_every_control_is_reached_in_reading_order_and_none_holds_on(browser, live_address, tab):
    page = visit(browser, live_address, [], tab="Live")
    page.reload()
    page.get_by_role("button", name="Start").wait_for()
    for _ in range(20):
        page.keyboard.press("Tab")
        page.evaluate(FOCUSED)
        if page.evaluate("document.activeElement.innerText.trim()") == tab:
            break
    page.keyboard.press("Enter")
    assert by_keyboard(page)[-1] == "BODY"
    assert page.evaluate(MISSED) == [] and page.evaluate(RISES)
    assert by_keyboard(page, "Shift+Tab")[-1] == "BODY"


def at_work():
    """Processes and folders of the page's jobs."""
    running = [words for words in commands() if b"lgvsc.ui.page.job" in words]
    return running, [path.name for path in Path(tempfile.gettempdir()).glob("lgvsc-job-*")]


def all_gone(before):
    """Whether what was not there before is gone, soon."""
    for _ in range(100):
        if not any(set(now) - set(then) for now, then in zip(at_work(), before, strict=True)):
            return True
        time.sleep(0.1)
    return False


def turn(page, knob, value):
    page.get_by_label(f"number input for {knob}").fill(value)
    page.keyboard.press("Tab")


COUNTED = """([name, least]) => {
  const cells = [...document.querySelectorAll(".measured div")];
  const cell = cells.find((one) => one.querySelector("dt").textContent == name);
  return cell && parseInt(cell.querySelector("dd").textContent) >= least;
}"""


def test_a_clip_crosses_live_while_the_channel_is_turned(browser, live_address):
    before, asked = at_work(), []
    page = visit(browser, live_address, asked, tab="Live", color_scheme="light")
    page.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('.live img').length == 2")
    page.wait_for_function(COUNTED, arg=["packets sent", 12])
    page.wait_for_function("/generated|received/.test(document.querySelector('.origin').textContent)")
    assert page.inner_text("#live-status").strip() == "live" and page.inner_text(".behind")
    page.evaluate("scrollTo(0, 0)")
    shoot(page, "page-live")
    turn(page, "Packets lost on the way, %", "100")
    page.wait_for_function(COUNTED, arg=["on the way", 4])
    turn(page, "Packets lost on the way, %", "0")
    turn(page, "SNR, dB (Es/N0)", "-5")
    page.wait_for_function(COUNTED, arg=["of them in noise", 4])
    assert [len(new - old) for new, old in zip(map(set, at_work()), map(set, before), strict=True)] == [1, 1]
    page.get_by_role("button", name="Stop").first.click()
    page.wait_for_function("document.querySelector('#live-status').textContent.trim() == 'stopped'")
    assert all_gone(before)
    assert all(url.startswith((live_address, "data:", "blob:", "about:")) for url in asked), "it asked elsewhere"


def test_a_live_page_that_is_closed_leaves_nothing_and_without_a_camera_one_sentence_says_so(browser, live_address):
    before = at_work()
    page = visit(browser, live_address, [], tab="Live", color_scheme="dark", viewport={"width": 380, "height": 800})
    page.get_by_label("camera", exact=True).click()
    page.get_by_role("button", name="More").first.click()
    page.get_by_label("Number of the camera").fill("63")
    page.get_by_role("button", name="Start").click()
    page.wait_for_function("document.querySelector('#live-status .refused')")
    assert page.inner_text("#live-status").strip().startswith("camera 63 of this computer is not there")
    page.get_by_label("built-in sample").first.click()
    page.get_by_role("button", name="Start").click()
    page.wait_for_function("document.querySelectorAll('.live img').length > 0")
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    shoot(page, "page-live-telephone")
    page.close()
    assert all_gone(before)


def test_a_server_that_is_told_to_end_leaves_nothing(browser, tmp_path):
    """As a container is stopped: with a link that runs, and a page that looks at it."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "lgvsc", "ui", "--live", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        address = next(found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        page = visit(browser, address, [], tab="Live")
        page.get_by_role("button", name="Start").click()
        page.wait_for_function("document.querySelectorAll('.live img').length > 0")
        assert {path.name[:9] for path in tmp_path.iterdir()} >= {"lgvsc-ui-", "lgvsc-job"}
        server.terminate()
        assert server.wait(60) == 0

    def left():
        return [*tmp_path.glob("lgvsc-*"), *(words for words in commands() if str(tmp_path).encode() in words)]

    for _ in range(100):
        if not left():
            break
        time.sleep(0.1)
    assert not left()


def commands():
    """Of all processes."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield entry.read_bytes()
        except OSError:  # it has ended
            continue


def test_pictures_of_the_docs_show_something():
    """Whenever they were made."""
    folder = Path(__file__).parents[2] / "docs" / "figures"
    for name in ("page-send.png", "page-receive.png", "page-live.png"):
        assert cv2.imread(str(folder / name)).std() > 20 and (folder / name).stat().st_size < 200_000
