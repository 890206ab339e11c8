"""A live link without a browser: knobs reach the channel, being behind is bounded and said, nothing is left over."""

import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from lgvsc.core.message import Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError, InputError
from lgvsc.ui.live import engine
from lgvsc.ui.live.engine import LiveLink, LiveSettings
from lgvsc.ui.live.knobs import Knobs, Panel
from lgvsc.ui.live.waiting import Waiting

PATIENCE_S = 120.0  # of a machine with much else to do
HEIGHT, WIDTH = 64, 96


class Gliding:
    """A camera before which a pattern glides, and every two seconds another one."""

    def __init__(self, fps=12, broken_after=None):
        self.format = VideoFormat(HEIGHT, WIDTH, Fraction(fps), None)
        self.late_s, self.broken_after = 0.0, broken_after

    def pictures(self, stopped):
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
        for index in range(10**6):
            if index == self.broken_after:
                raise InputError("the camera was unplugged")
            picture = np.stack([rows * 3, (columns + 2 * index) * 2, np.full((HEIGHT, WIDTH), 90)], axis=2) % 256
            yield (255 - picture if index // 24 % 2 else picture).astype(np.uint8)
            if stopped.wait(float(1 / self.format.fps)):
                return


def until(link, met):
    """Play until something is so. Returns the frames that were shown on the way."""
    shown, ends_s = [], time.monotonic() + PATIENCE_S
    for frame in link.play():
        shown += [frame] if frame is not None else []
        if met(link.numbers(), shown):
            return shown
        assert time.monotonic() < ends_s, link.numbers()
    raise AssertionError("the link has ended")


def nothing_runs_on():
    return not [thread.name for thread in threading.enumerate() if thread.name.startswith("live_")]


@pytest.mark.slow
def test_noise_loss_and_look_are_turned_while_it_runs():
    panel = Panel(Knobs(snr_db=20.0))
    with LiveLink(Gliding(), LiveSettings(scheme="skem-dsa", coded_for_db=6.0), panel) as link:
        shown = until(link, lambda numbers, shown: len(shown) >= 12)
        assert shown[0].pixels.shape == (HEIGHT, WIDTH, 3) and shown[-1].caption
        assert {frame.origin for frame in shown} <= {"received", "generated"}
        assert all(0 < time.monotonic() - frame.taken_s < PATIENCE_S for frame in shown)
        clear = link.numbers()
        assert clear.noisy == clear.dropped == 0 and clear.kbit_per_s > 0 and clear.ksymbols_per_s > 0

        panel.now = Knobs(snr_db=-8.0)  # far below what packets are coded for
        until(link, lambda numbers, _: numbers.noisy >= 6)
        assert link.numbers().dropped == 0
        panel.now = Knobs(snr_db=20.0, loss=1.0)
        until(link, lambda numbers, _: numbers.dropped >= 6)
        bad = link.numbers()
        assert bad.handed < bad.sent - 10

        panel.now = Knobs(snr_db=20.0, look=0.25)
        again = link.numbers().segments
        until(link, lambda numbers, shown: numbers.segments >= again + 3 and len(shown) > 12)
        assert link._scheme.decoder.config.look == 0.25
    assert nothing_runs_on()


def test_a_transmitter_that_is_too_slow_leaves_pictures_out_and_says_how_far_behind_it_is(monkeypatch):
    """Each picture takes four times as long as it lasts."""
    link = LiveLink(Gliding(fps=12), LiveSettings(scheme="skem-dsa"), Panel(Knobs(snr_db=20.0)))

    def segments(frames, video):
        for frame in frames:
            time.sleep(4 / 12)
            yield Segment(
                video=video, start=frame.index, stop=frame.index + 1, caption="A wall.", keyframe=frame.pixels
            )

    monkeypatch.setattr(type(link._scheme), "segments", lambda _, frames, video: segments(frames, video))
    with link:
        until(link, lambda numbers, shown: numbers.unsent >= 20 and shown)
        numbers = link.numbers()
        assert 0 < numbers.behind_s < 4 * engine.WAITING_S + 4 and link._frames.waiting_s <= engine.WAITING_S
        assert numbers.left_out >= numbers.unsent and numbers.unsent < numbers.taken
    assert nothing_runs_on()


@pytest.mark.slow
def test_a_receiver_that_is_too_slow_leaves_segments_out(monkeypatch):
    link = LiveLink(Gliding(fps=24), LiveSettings(scheme="skem-dsa", extra=0.0), Panel(Knobs(snr_db=20.0)))
    quick = link._scheme.decoder.videos

    def videos(segments):
        for piece in quick(segments):
            time.sleep(len(piece.provenance) / 24 * 6)
            yield piece

    def segments(frames, video):
        for frame in frames:
            if frame.index % 6 == 5:
                start = frame.index - 5
                yield Segment(video=video, start=start, stop=start + 6, caption="A wall.", keyframe=frame.pixels)

    monkeypatch.setattr(link._scheme.decoder, "videos", videos)
    monkeypatch.setattr(type(link._scheme), "segments", lambda _, frames, video: segments(frames, video))
    with link:
        until(link, lambda numbers, _: numbers.unmade >= 3)
        assert link._segments.waiting_s <= engine.WAITING_S
    assert nothing_runs_on()


def test_a_long_silence_is_not_made_up_for():
    link = LiveLink(Gliding(), LiveSettings(scheme="skem-dsa"), Panel())
    link._segments = Waiting(3600.0, lambda _: 1.0)
    for start, stop in ((0, 12), (12, 24), (12_000, 12_012), (12_012, 12_020)):
        link._segments.put(Segment(video=link._source.format, start=start, stop=stop, caption=f"from {start}"))
    link._segments.close()
    heard = list(link._arriving())
    assert [(segment.start, segment.stop) for segment in heard] == [(0, 12), (12, 24), (24, 36), (36, 44)]
    assert link.numbers().skipped == 11_976
    assert link._heard_at(30) == (24, "from 12000", 11_976)


@pytest.mark.slow
def test_when_it_is_stopped_what_is_on_its_way_still_comes_and_then_it_ends():
    with LiveLink(Gliding(), LiveSettings(scheme="text-only"), Panel(Knobs(snr_db=20.0))) as link:
        until(link, lambda numbers, shown: bool(shown))
        link.stop()
        taken = link.numbers().taken
        list(link.play())
        assert link.numbers().taken <= taken + 1
    assert nothing_runs_on()


def test_what_fails_in_a_part_is_told_to_whoever_plays():
    with (
        LiveLink(Gliding(broken_after=3), LiveSettings(scheme="text-only"), Panel()) as link,
        pytest.raises(InputError, match="unplugged"),
    ):
        list(link.play())
    assert nothing_runs_on()


def test_schemes_without_a_message_are_refused():
    with pytest.raises(ConfigError, match="h265-ldpc is not sent live; take layered-dsa"):
        LiveLink(Gliding(), LiveSettings(scheme="h265-ldpc"), Panel())


@pytest.mark.parametrize("scheme", engine.SCHEMES)
def test_every_position_of_the_controls_is_a_configuration(scheme):
    config = LiveSettings(scheme=scheme, coded_for_db=-5, budget_kbps=30, seed=7).config(10.0, 0.5)
    assert (config.structure.group_frames, config.structure.effort, config.world.look) == (10, "live", 0.5)
