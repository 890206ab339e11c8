"""The receiver's page shows what arrived and nothing of what was sent."""

import example_run
import numpy as np

from lgvsc.config import load_config
from lgvsc.core.interfaces import Rebuilt
from lgvsc.core.video import write_video
from lgvsc.link import Arrived
from lgvsc.ui.received_page import ReceivedVideo, write_received


def heard():
    found, arrived = ReceivedVideo(load_config()), Arrived()
    for segment in example_run.record().received_segments.values():
        lost = segment.start == 132
        status = {"control": "ok", "caption": "ok", "keyframe": "lost" if lost else "ok"}
        segment = segment.changed(caption=f"{segment.start} {example_run.HOSTILE}", status=status)
        found.segment(segment)
        arrived.segment(segment)
    piece = Rebuilt(example_run.video(), ("received", *["generated"] * 239))
    found.piece(piece)
    arrived.piece(piece)
    return found, arrived


def test_it_shows_video_keyframes_captions_and_losses(tmp_path):
    found, arrived = heard()
    write_video(tmp_path / "made.mp4", example_run.video())
    write_received(found, arrived, tmp_path / "made.mp4", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("<video") == 1 and "id='source'" not in page and "id='wipe'" not in page
    assert page.count("as received'") == len(example_run.STARTS)  # six keyframes and the closing one
    assert "keyframe sent" not in page and "as sent" not in page.split("</header>")[1]
    assert "Lost on the way: 1 × keyframe" in page and "<script>alert" not in page
    assert "240 frames: 1 received, 239 generated" in page


def test_a_receiver_of_nothing_has_a_report():
    assert ReceivedVideo(load_config()).report()["segments"] == []
    assert np.isfinite(ReceivedVideo(load_config()).report()["source"]["frames"])
