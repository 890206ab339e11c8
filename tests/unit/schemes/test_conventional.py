"""The conventional schemes end to end, with and without losses."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.belief import Belief
from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.burst.control_block import decode_control
from lgvsc.coding.burst.framing import PREAMBLE_SYMBOLS
from lgvsc.coding.modem.interleaver import deinterleave, interleave
from lgvsc.core.air import Reception
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import Frame, Video, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.metrics.quality import psnr_db
from lgvsc.schemes.conventional import ConventionalConfig, ConventionalScheme, group_length, most_bytes
from lgvsc.schemes.table_1 import paper_row, table_1

HEIGHT, WIDTH, FPS = 50, 66, Fraction(25)


def clip(frames: int = 24) -> Video:
    """A gradient that slides, with a bright square in it."""
    ramp = np.linspace(0, 1, WIDTH)[None, :, None] * np.array([200, 120, 60])
    pictures = np.empty((frames, HEIGHT, WIDTH, 3), np.uint8)
    for index in range(frames):
        pictures[index] = np.roll(ramp, index, axis=1)
        pictures[index, 10:26, 2 + index : 18 + index] = 230
    return Video(pictures, FPS)


def sent(scheme: ConventionalScheme, video: Video):
    return list(scheme.transmit(iter(video), video.format))


def received(scheme: ConventionalScheme, receptions, segments=None):
    """Frames, provenance, first indices of the pieces."""
    pieces = list(scheme.reconstruct(iter(receptions), segments.append if segments is not None else lambda _: None))
    for before, after in pairwise(pieces):
        assert after.video.start == before.video.start + len(before.video)
    assert not pieces or pieces[0].video.start == 0
    frames = np.concatenate([p.video.frames for p in pieces]) if pieces else np.empty((0, HEIGHT, WIDTH, 3), np.uint8)
    return frames, [origin for p in pieces for origin in p.provenance]


def clean(bursts) -> list[Reception]:
    return [Reception(burst.symbols, torch.full((len(burst),), 1e-3)) for _, burst in bursts]


def adaptive(codec="h264", budget="0.02cbr", snr_db=10.0, **more) -> ConventionalScheme:
    return ConventionalScheme(f"{codec}-ldpc", Belief(snr_db), ConventionalConfig(codec=codec, budget=budget, **more))


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_adaptive_stays_in_its_budget_and_arrives(codec):
    video = clip(20)
    scheme = adaptive(codec, gop_frames=10)
    bursts = sent(scheme, video)
    assert [(s.start, s.stop, s.last) for s, _ in bursts] == [(0, 10, False), (10, 20, True)]
    ledger = Ledger.of((burst for _, burst in bursts), video.format)
    assert {e.purpose for e in ledger.entries} == {"control", "video"}
    assert 0.015 < ledger.cbr <= 0.02
    channel = AwgnChannel(10.0, seeded(1))
    segments = []
    frames, provenance = received(adaptive(codec), [channel(b.symbols) for _, b in bursts], segments)
    assert frames.shape == video.frames.shape and set(provenance) == {"received"}
    assert [s.status["video"] for s in segments] == ["ok", "ok"]
    assert segments[0].video == video.format
    assert np.mean([psnr_db(a, b) for a, b in zip(video.frames, frames, strict=True)]) > 24


def test_the_receiver_needs_nothing_but_symbols_in_any_pieces():
    video = clip(12)
    whole = clean(sent(adaptive(gop_frames=6), video))
    stream = Reception(torch.cat([r.symbols for r in whole]), torch.cat([r.noise_variance for r in whole]))
    other = ConventionalScheme("av1-ldpc", Belief(-3.0), ConventionalConfig(codec="av1"))
    one, _ = received(other, [stream])
    many, _ = received(other, [stream[at : at + 100] for at in range(0, len(stream), 100)])
    assert len(one) == 12 and np.array_equal(one, many)


def test_noise_instead_of_symbols_gives_nothing():
    bursts = sent(adaptive(), clip(8))
    noise = [
        Reception(torch.randn(len(b), dtype=torch.complex64, generator=seeded(2)), torch.ones(len(b)))
        for _, b in bursts
    ]
    frames, _ = received(adaptive(), noise)
    assert len(frames) == 0


def test_a_lost_tail_freezes_the_last_good_picture():
    video = clip(40)
    bursts = sent(adaptive(budget="0.2cbr", gop_frames=40, snr_db=5.0), video)
    (reception,) = clean(bursts)
    control = len(bursts[0][1].parts[0])
    late = control + (len(reception) - control) * 3 // 4
    in_order = deinterleave(reception.symbols[control:])  # on the air a burst would hit all code blocks
    in_order[late - control :] = torch.randn(len(reception) - late, dtype=torch.complex64, generator=seeded(4))
    reception.symbols[control:] = interleave(in_order)
    segments = []
    frames, provenance = received(adaptive(), [reception], segments)
    assert len(frames) == 40 and segments[0].status["video"] == "lost"
    first = provenance.index("concealed")
    assert 0 < first < 40 and provenance[:first] == ["received"] * first
    for index in range(1, 40):
        if provenance[index] == "concealed":
            assert np.array_equal(frames[index], frames[index - 1])
    assert psnr_db(frames[first - 1], video.frames[first - 1]) > 24


def test_a_lost_burst_is_bridged_by_the_last_picture_and_length_is_kept():
    video = clip(24)
    receptions = clean(sent(adaptive(gop_frames=6), video))
    assert len(receptions) == 4
    frames, provenance = received(adaptive(), [receptions[0], receptions[2]])
    assert provenance == ["received"] * 6 + ["concealed"] * 6 + ["received"] * 6 + ["concealed"] * 6
    assert all(np.array_equal(frames[index], frames[5]) for index in range(6, 12))
    assert psnr_db(frames[14], video.frames[14]) > 24


def test_before_the_first_picture_the_screen_is_grey():
    receptions = clean(sent(adaptive(gop_frames=6), clip(12)))
    frames, provenance = received(adaptive(), receptions[1:])
    assert provenance == ["missing"] * 6 + ["received"] * 6
    assert (frames[:6] == 128).all()


def test_control_alone_still_gives_size_and_length():
    bursts = sent(adaptive(), clip(12))
    (reception,) = clean(bursts)
    control = len(bursts[0][1].parts[0])
    frames, provenance = received(adaptive(), [reception[:control]])
    assert frames.shape == (12, HEIGHT, WIDTH, 3) and set(provenance) == {"missing"}


def test_the_smallest_budgets_get_a_single_still_picture():
    video = clip(40)
    bursts = sent(adaptive("h264", budget="7e-4cbr", gop_frames=40), video)
    label = bursts[0][1].parts[1].label
    assert re.match(r"\d+x\d+, 1 frame, CRF", label), label
    frames, provenance = received(adaptive(), clean(bursts))
    assert set(provenance) == {"received"} and all(np.array_equal(frame, frames[0]) for frame in frames)


def test_too_small_a_budget_sends_control_alone():
    bursts = sent(adaptive(budget="1e-4cbr"), clip(6))
    assert [part.purpose for part in bursts[0][1].parts] == ["control"]
    assert received(adaptive(), clean(bursts))[1] == ["missing"] * 6


def test_the_generative_receiver_does_not_take_these_bursts():
    (reception,) = clean(sent(adaptive(), clip(6)))
    assert decode_control(reception[PREAMBLE_SYMBOLS:], MessageControl.block_bits()) is None


def test_a_burst_leaves_as_soon_as_its_group_has_ended():
    taken = 0

    def frames():
        nonlocal taken
        for frame in clip(24):
            taken += 1
            yield frame

    bursts = adaptive(gop_frames=6).transmit(frames(), VideoFormat(HEIGHT, WIDTH, FPS, None))
    next(bursts)
    assert taken == 7  # one more, to know that the video goes on


def test_adaptation_carries_more_when_the_channel_is_better():
    bytes_, _ = zip(*(most_bytes(5000, snr_db) for snr_db in (-3.0, 0.0, 5.0, 10.0, 15.0)), strict=True)
    assert all(later > 1.3 * earlier for earlier, later in pairwise(bytes_))
    assert most_bytes(0, 5.0)[0] == 0


def test_groups_are_equal_and_fit_into_memory():
    assert group_length(VideoFormat(256, 456, FPS, 241), 240) == 121
    assert group_length(VideoFormat(256, 456, FPS, None), 240) == 240
    assert group_length(VideoFormat(1080, 1920, FPS, None), 240) == 86


# The paper's parameters


def test_table_1_is_the_papers():
    assert [(r.snr_db, r.codec, r.qp, r.gop_frames, round(r.code_rate, 4), r.bits_per_symbol) for r in table_1()] == [
        (6, "h264", 51, 400, 0.75, 4), (6, "h265", 51, 400, 0.75, 2),
        (8, "h264", 51, 80, 0.5, 4), (8, "h265", 51, 50, 0.5, 4),
        (10, "h264", 51, 20, 0.6667, 4), (10, "h265", 50, 13, 0.6667, 4),
    ]  # fmt: skip


@pytest.mark.parametrize("snr_db, row_db", [(-5, 6), (6, 6), (7.9, 6), (8, 8), (10, 10), (20, 10)])
def test_each_channel_has_a_row(snr_db, row_db):
    assert paper_row("h265", snr_db).snr_db == row_db


def test_the_first_row_is_above_capacity_under_one_reading_alone():
    row = paper_row("h264", 6.0)
    assert row.efficiency == 3.0
    assert row.above_capacity(6.0, "esn0") and not row.above_capacity(6.0, "ebn0")
    assert row.esn0_db(6.0, "ebn0") == pytest.approx(10.77, abs=0.01)
    assert not paper_row("h265", 6.0).above_capacity(6.0, "esn0")


@pytest.mark.parametrize("snr_def, arrives", [("esn0", False), ("ebn0", True)])
def test_the_cliff_of_16_qam_three_quarters_at_6_db(snr_def, arrives):
    video = clip(10)
    row = paper_row("h264", 6.0)
    esn0_db = row.esn0_db(6.0, snr_def)
    scheme = ConventionalScheme("h264-ldpc", Belief(esn0_db), ConventionalConfig(codec="h264", mode="paper"), row)
    channel = AwgnChannel(esn0_db, seeded(5))
    frames, provenance = received(scheme, [channel(b.symbols) for _, b in sent(scheme, video)])
    assert len(frames) == 10
    assert set(provenance) == {"received"} if arrives else {"missing"}


def test_paper_groups_have_the_papers_length():
    video = clip(30)
    config = ConventionalConfig(codec="h265", mode="paper")
    scheme = ConventionalScheme("h265-ldpc", Belief(10.0), config, paper_row("h265", 10.0))
    assert [(s.start, s.stop) for s, _ in sent(scheme, video)] == [(0, 13), (13, 26), (26, 30)]


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match="Table I"):
        ConventionalScheme("h264-ldpc", Belief(6.0), ConventionalConfig(codec="h264", mode="paper"))
    with pytest.raises(ConfigError, match="Table I"):
        ConventionalScheme("h265-ldpc", Belief(6.0), ConventionalConfig(), paper_row("h265", 6.0))
    with pytest.raises(ConfigError, match="Table I"):
        paper_row("av1", 6.0)
    with pytest.raises(ConfigError, match="budget"):
        ConventionalConfig(budget="much")


def test_a_single_frame_is_a_video():
    video = Video(clip(1).frames, FPS)
    bursts = sent(adaptive(budget="0.5cbr"), video)
    frames, provenance = received(adaptive(), clean(bursts))
    assert frames.shape == (1, HEIGHT, WIDTH, 3) and provenance == ["received"]
    assert isinstance(next(iter(video)), Frame)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_as_in_gvsc_the_quantiser_alone_fills_the_budget_under_4_qam(codec):
    """4-QAM with rate 3/4 carries 1.5 bit per symbol, which noise at 10 dB leaves whole and noise at 0 dB does not."""
    video = clip(16)
    states = {}
    for snr_db in (10.0, 0.0):  # that the transmitter knows, which helps the control block only
        scheme = adaptive(codec, "0.02cbr", snr_db, gop_frames=8, mode="gvsc")
        bursts = sent(scheme, video)
        ledger = Ledger.of((burst for _, burst in bursts), video.format)
        assert ledger.cbr <= 0.02
        labels = [entry.label for entry in ledger.entries if entry.purpose == "video"]
        assert all(label.startswith(f"{WIDTH}x{HEIGHT}, 1 frame in 1, QP") for label in labels)
        assert len(labels) == 2 and all(label.endswith("4-QAM, LDPC 0.75") for label in labels)
        segments = []
        received(scheme, [AwgnChannel(snr_db, seeded(1))(burst.symbols) for _, burst in bursts], segments)
        states[snr_db] = {s.status["video"] for s in segments}
    assert states == {10.0: {"ok"}, 0.0: {"lost"}}
    with pytest.raises(ConfigError, match="h264 and h265"):
        ConventionalConfig(codec="av1", mode="gvsc")
