"""The page shows what the report says, opens nothing, and runs nothing that came over the air."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import av
import example_run
import numpy as np
import pytest

from lgvsc.core.video import write_video
from lgvsc.errors import InputError
from lgvsc.ui.clips import browser_clip
from lgvsc.ui.report import Material, keyframe_pictures, render, sketch_pictures, write_html
from lgvsc.ui.sections import origin_note

VOID = {"meta", "img", "input", "br", "line", "path", "circle", "rect", "link", "hr"}


class Page(HTMLParser):
    """Elements, their attributes and the text outside of scripts; complains about wrong nesting."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.scripts, self.text = [], [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open[-3:], self.getpos())
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_video(folder / "source.mp4", example_run.video())
    write_video(folder / "rebuilt.mp4", example_run.video())
    write_html(example_run.record(), folder / "source.mp4", folder / "rebuilt.mp4", folder / "page.html")
    return (folder / "page.html").read_text("utf-8")


def test_page_is_well_formed_and_shows_the_numbers(page):
    found = Page(page)
    text = " ".join(found.text)
    for shown in ("7.26\u202f×\u202f10⁻⁴", "24.31\u00a0dB", "0.712", "34\u202f264", "3.43\u00a0s", "AWGN", "skem-dsa"):
        assert shown in text, shown
    assert "generated content" in text and "arXiv" in text and "a1" * 32 in text
    assert found.tags.count("article") == len(example_run.STARTS)
    assert found.tags.count("video") == 2


def test_a_caption_is_shown_as_text_and_stays_text(page):
    found = Page(page)
    assert any("a </script><script>alert(1)</script> & \"b\" <img src=x onerror='x'>" in text for text in found.text)
    assert not any(name.startswith("on") for _, name, _ in found.attributes)
    assert sum("alert(1)" in script for script in found.scripts) == 1  # inside the data, not as a script of its own
    assert "<script>alert" not in page
    assert "\u202e" not in page and "\x07" not in page and "\x1b" not in page


def test_nothing_is_fetched_and_only_our_script_may_run(page):
    found = Page(page)
    policy = next(v for tag, name, v in found.attributes if tag == "meta" and name == "content" and "default-src" in v)
    ours = base64.b64encode(hashlib.sha256(found.scripts[-1].encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"script-src 'sha256-{ours}'" in policy
    addresses = [value for _, name, value in found.attributes if name in ("src", "href", "poster", "srcset")]
    assert addresses and all(value.startswith("data:image/jpeg;base64,") for value in addresses)
    assert not re.search(r"(?<!www.w3.org/2000/svg)url\(|@import", page)


def test_the_data_for_the_script_is_what_the_report_says(page):
    data = json.loads(next(s for s in Page(page).scripts if s.startswith('{"fps"')))
    assert (data["fps"], data["frames"], data["shown"]) == (24.0, 240, 240)
    assert data["segments"][2] == [66, 87, example_run.CAPTIONS[2], None]
    assert data["provenance"][0] == [0, 1, "received"]


def test_the_page_says_what_was_aimed_at_how_each_segment_looks_and_which_command_made_it(page):
    found = Page(page)
    text = " ".join(found.text)
    assert "objective look" in text and "look 0.5 of 1" in text
    assert "LPIPS 0.310 · DISTS 0.200" in text and text.count("DISTS 0.200") == len(example_run.STARTS) - 1
    assert "lgvsc run 'a </script>" in text and ("button", "id", "copy") in found.attributes
    assert "id='copy'" not in render(example_run.report() | {"command": None})


def test_lost_parts_and_shares(page):
    text = " ".join(Page(page).text)
    assert "Lost on the way: 1 × caption, 1 × keyframe." in text
    assert "caption lost" in text and "keyframe lost" in text and "lost on the way" in text
    assert "closing keyframe" in text and "10.6\u00a0%" in text  # 3620 of 34264
    assert "74.5\u00a0%" in text  # the other keyframes


@pytest.mark.parametrize("missing", [*example_run.report(), "all"])
def test_any_value_may_be_missing(missing):
    report = {} if missing == "all" else example_run.report()
    report.pop(missing, None)
    Page(render(report))
    for key, value in example_run.report().items():
        if missing == "all" and isinstance(value, dict | list):
            report[key] = type(value)()
    Page(render(report))


def test_absent_metrics_say_why():
    report = example_run.report()
    report["metrics"] = {
        "psnr_db": None,
        "ssim": 0.5,
        "ms_ssim": None,
        "absent": {"ms_ssim": "too <small>"},
        "vmaf": 41.5,
    }
    report["divergence_curve"], report["threshold"] = [], None
    text = " ".join(Page(render(report)).text)
    assert "too <small>" in text and "41.500" in text and "no divergence was scored" in text


def test_long_videos_are_cut_to_a_stated_excerpt(tmp_path):
    path = tmp_path / "long.mp4"
    write_video(path, example_run.video(frames=60))
    clip = browser_clip(path, max_seconds=1.0, pictures_at={3, 50})
    assert (clip.frames, clip.of_frames, clip.whole) == (24, 60, False)
    assert list(clip.pictures) == [3]
    page = render(example_run.report(), Material(source=clip, rebuilt=clip))
    assert "the first 1.00\u00a0s" in page and "max='23'" in page


def test_clips_are_playable_everywhere(tmp_path):
    """H.264 4:2:0 of even size, at most 480 a side, every frame in it."""
    path = tmp_path / "odd.mp4"
    frames = np.random.default_rng(0).integers(0, 255, (5, 301, 623, 3), np.uint8)
    write_video(path, example_run.Video(frames, example_run.Fraction(30000, 1001)))
    clip = browser_clip(path)
    with av.open(__import__("io").BytesIO(clip.data)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (clip.width, clip.height) == (480, 232)
        assert sum(1 for _ in container.decode(stream)) == 5
    with pytest.raises(InputError):
        browser_clip(tmp_path / "none.mp4")


def test_keyframe_pictures_pair_sent_with_received():
    record = example_run.record()
    pictures = keyframe_pictures(record.sent_segments, record.received_segments)
    assert sorted(pictures) == [*example_run.STARTS, 239]
    assert pictures[132][0] is not None and pictures[132][1] is None
    placeholder = record.sent_segments[0].changed(keyframe=np.zeros((1, 1, 3), np.uint8))
    assert keyframe_pictures([placeholder], {})[0] == (None, None)


def test_what_captioner_and_judge_cost_is_shown_where_they_did_something():
    report = {"cost": {"model_calls": 3, "prefill_tokens": 1234, "flops": 5.6e9, "seconds": 1.5, "wasted_share": 0.25}}
    text = " ".join(Page(render(report)).text)
    assert "What captioner and judge cost" in text and "1\u202f234" in text and "5.6 GFLOP" in text
    assert "25 % of the pairs were scored in vain" in text
    assert "What captioner and judge cost" not in " ".join(Page(render({"cost": {"model_calls": 0}})).text)


def test_sketches_are_shown_as_drawn_and_as_received():
    report = example_run.report()
    row = report["segments"][1]
    start = row["start"]
    row |= {"sketches": [start, start + 4], "sketch_symbols": 1500}
    row["status"] |= {"keyframe": "absent", "key_sketch": "ok", "other_sketches": "lost"}
    drawn = np.zeros((40, 40), np.uint8)
    sketches = {start: (drawn, drawn), start + 4: (drawn, None)}
    text = render(report, Material(sketches=sketches))
    page = Page(text)
    shown = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt") and "sketch" in value]
    assert shown == [
        f"sketch of frame {start} as sent",
        f"sketch of frame {start} as received",
        f"sketch of frame {start + 4} as sent",
    ]
    words = " ".join(page.text)
    assert "1\u202f500 of them for sketches" in words and "key sketch ok" in words and "other sketches lost" in words
    card = text[text.index(f"data-frame='{start}'") :]
    card = card[: card.index("</article>")]
    assert "class='gap'>lost<" in card and "keyframe sent" not in card  # where none was sent, none is shown


def test_sketches_that_were_kept_are_matched_frame_by_frame():
    record = example_run.record()
    drawn = np.zeros((9, 9), np.uint8)
    record.sent_segments[0] = record.sent_segments[0].changed(sketches=((0, drawn), (5, drawn)))
    record.received_segments[0] = record.received_segments[0].changed(sketches=((0, drawn),))
    found = sketch_pictures(record.sent_segments, record.received_segments)
    assert list(found) == [0, 5] and found[0][1] is not None and found[5][1] is None


def test_the_page_says_of_what_the_video_was_made():
    report = example_run.report()
    assert "words and a few pictures" in origin_note(report)

    def with_small_frames(state):
        return report | {"segments": [row | {"status": {"structure": state}} for row in report["segments"]]}

    layered = origin_note(with_small_frames("ok"))
    assert "small, coarse frames" in layered and "generated content" in layered
    assert "words and a few pictures" in origin_note(with_small_frames("lost"))


def test_a_closing_keyframe_is_explained_where_there_is_one_and_metrics_have_their_names():
    report = example_run.report()
    assert "stands here on its own" in render(report)
    page = render(report | {"closing_keyframe_symbols": 0, "metrics": {"lpips": 0.3, "vmaf": 31.0, "my<own>": 1.0}})
    assert "stands here on its own" not in page
    assert ">LPIPS<" in page and ">VMAF<" in page and ">my&lt;own&gt;<" in page
