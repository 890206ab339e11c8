"""Bursts: what is sent comes back, what is lost is said, and no part drags another one down."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.belief import Belief
from lgvsc.coding.message_codec import CodingConfig, MessageCodec
from lgvsc.coding.parts.pictures import CLOSING_KEYFRAME
from lgvsc.coding.pictures.digital_picture import DigitalPictureCodec
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.core.air import Reception
from lgvsc.core.ledger import Ledger
from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError

VIDEO = VideoFormat(96, 128, Fraction(24), 120)


def picture(shade):
    y, x = np.mgrid[0:96, 0:128]
    return np.stack([(x + shade) % 256, (2 * y + shade) % 256, 0 * x + shade], axis=-1).astype(np.uint8)


def message():
    motion = Motion(score=2.0, camera="pan left", pan=-0.1)
    first = Segment(
        video=VIDEO, start=0, stop=70, caption="a red boat on a calm sea", keyframe=picture(40), motion=motion
    )
    second = Segment(
        video=VIDEO, start=70, stop=120, caption="a harbour", keyframe=picture(160), closing_keyframe=picture(90),
        motion=motion, cut=95, last=True,
    )  # fmt: skip
    return [first, second]


def codec(snr_db, **config):
    return MessageCodec(
        PictureRoads([DigitalPictureCodec()]), Belief(snr_db, CodingConfig(**config).text_mcs), CodingConfig(**config)
    )


def through(bursts, snr_db, seed=0):
    channel = AwgnChannel(snr_db, seeded(seed))
    return [channel(burst.symbols) for burst in bursts]


@pytest.mark.parametrize("snr_db", [12.0, 3.0, -3.0])
def test_everything_arrives_where_the_transmitter_knows_the_channel(snr_db):
    sent = message()
    bursts = [burst for _, burst in codec(snr_db).encode(sent)]
    got = list(codec(99.0).decode(through(bursts, snr_db)))
    assert [(s.start, s.stop, s.cut, s.last) for s in got] == [(0, 70, None, False), (70, 120, 95, True)]
    assert [s.video for s in got] == [VIDEO, VIDEO]
    assert [s.caption for s in got] == [s.caption for s in sent]
    assert all(s.motion is not None and s.motion.camera == "pan left" for s in got)
    assert all(s.keyframe is not None and s.keyframe.shape == (96, 128, 3) for s in got)
    assert got[0].status["closing_keyframe"] == "absent" and got[1].status["closing_keyframe"] == "ok"


@pytest.mark.parametrize("motion", [None, Motion(score=2.0, camera="pan left", pan=-0.1)])
def test_colours_arrive_beside_motion_or_without_it_and_are_charged_as_side_information(motion):
    colours = np.repeat(np.linspace(30, 220, 8).astype(np.uint8), 24).reshape(8, 8, 3)
    plain = Segment(video=VIDEO, start=0, stop=70, caption="a hill", motion=motion, last=True)
    ((_, bare),) = codec(5.0).encode([plain])
    ((_, burst),) = codec(5.0).encode([plain.changed(colours=colours)])
    (got,) = codec(99.0).decode(through([burst], 5.0))
    assert got.colours is not None and np.abs(got.colours.astype(int) - colours).mean() < 8
    assert (got.motion is None) == (motion is None) and got.status["side"] == "ok"
    charged = {part.purpose: len(part) for part in burst.parts}
    assert charged["side"] > {part.purpose: len(part) for part in bare.parts}.get("side", 0)
    (without,) = codec(99.0).decode(through([bare], 5.0))
    assert without.colours is None and without.status["side"] == ("ok" if motion else "absent")


def test_every_symbol_of_a_burst_is_charged_to_a_purpose():
    bursts = [burst for _, burst in codec(10.0).encode(message())]
    ledger = Ledger.of(bursts, VIDEO)
    assert ledger.symbols["total"] == sum(burst.symbols.numel() for burst in bursts)
    assert all(ledger.symbols[purpose] > 0 for purpose in ("control", "captions", "side", "keyframes"))
    assert 0 < ledger.labelled(CLOSING_KEYFRAME) < ledger.symbols["keyframes"]
    for burst in bursts:
        for part in burst.parts:
            spread = 0.65 / len(part) ** 0.5  # |s|^2 of large QAM has mean 1 and deviation below 0.65
            assert part.symbols.abs().square().mean().item() == pytest.approx(1.0, abs=4 * spread), part.purpose


def test_a_lost_keyframe_leaves_the_words():
    bursts = [burst for _, burst in codec(10.0).encode(message())]
    received = through(bursts, 30.0)
    picture_at = sum(len(part) for part in bursts[0].parts[:3])
    generator = seeded(1)
    noise = torch.randn(len(bursts[0]) - picture_at, dtype=torch.complex64, generator=generator)
    symbols = torch.cat([received[0].symbols[:picture_at], noise])
    received[0] = Reception(symbols, torch.full((len(symbols),), 1.0).index_fill(0, torch.arange(picture_at), 1e-3))
    first, second = codec(0.0).decode(received)
    assert first.keyframe is None and first.status["keyframe"] == "lost"
    assert first.caption == "a red boat on a calm sea" and first.status["caption"] == "ok"
    assert second.keyframe is not None


def test_a_lost_control_loses_its_burst_only():
    bursts = [burst for _, burst in codec(10.0).encode(message())]
    received = through(bursts, 20.0)
    head = len(bursts[0].parts[0])
    generator = seeded(2)
    noise = torch.randn(head, dtype=torch.complex64, generator=generator)
    received[0] = Reception(torch.cat([noise, received[0].symbols[head:]]), received[0].noise_variance)
    assert [s.start for s in codec(0.0).decode(received)] == [70]


def test_noise_alone_yields_nothing():
    symbols = torch.randn(6000, dtype=torch.complex64, generator=seeded(3))
    assert list(codec(0.0).decode([Reception(symbols, torch.ones(6000))])) == []


def test_symbols_that_are_no_numbers_count_as_erasures():
    bursts = [burst for _, burst in codec(10.0).encode(message())]
    received = through(bursts, 20.0)
    symbols = received[0].symbols.clone()
    symbols[-40:] = complex("nan")
    received[0] = Reception(symbols, received[0].noise_variance)
    first, second = codec(0.0).decode(received)
    assert first.erased_symbols >= 40 and second.erased_symbols == 0
    assert first.caption is not None


def test_words_alone():
    plain = [s.changed(keyframe=None, closing_keyframe=None) for s in message()]
    bursts = [burst for _, burst in codec(5.0).encode(plain)]
    assert Ledger.of(bursts, VIDEO).symbols["keyframes"] == 0
    got = list(codec(0.0).decode(through(bursts, 5.0)))
    assert [s.caption for s in got] == [s.caption for s in plain]
    assert all(s.status["keyframe"] == "absent" for s in got)


def test_a_budget_is_kept():
    for budget in ("3e-3cbr", "12000symbols"):
        bursts = [burst for _, burst in codec(10.0, budget=budget).encode(message())]
        allowed = {"3e-3cbr": 3e-3 * 3 * 96 * 128 * 120, "12000symbols": 12000}[budget]
        assert sum(len(b) for b in bursts) <= allowed


def test_a_wrong_belief_about_the_channel_costs_parts_step_by_step_and_each_loss_is_said():
    sent = message()
    bursts = [burst for _, burst in codec(16.0).encode(sent)]
    intact = []
    for snr_db in (16.0, 12.0, 4.0, -2.0, -10.0):
        got = list(codec(0.0).decode(through(bursts, snr_db)))
        for segment in got:
            (true,) = [one for one in sent if one.start == segment.start]
            assert segment.status["control"] == "ok" and segment.stop == true.stop
            for name in ("caption", "keyframe", "closing_keyframe"):
                assert (getattr(segment, name) is not None) == (segment.status[name] == "ok")
            assert segment.caption in (true.caption, None)
        intact.append(sum(status == "ok" for segment in got for status in segment.status.values()))
    assert intact[0] == 9 and intact == sorted(intact, reverse=True)
    assert 2 < intact[1] < 9 and intact[2] == 2 and intact[-1] == 0  # at 4 dB control alone, at -10 dB nothing


def test_a_trial_is_what_arrives_where_control_does():
    sent = message()
    tried = list(codec(8.0).try_out(sent, AwgnChannel(8.0, seeded(3))))
    bursts = [burst for _, burst in codec(8.0).encode(sent)]
    assert [segment for segment, _, _ in tried] == sent
    assert all(torch.equal(a.symbols, b.symbols) for (_, a, _), b in zip(tried, bursts, strict=True))
    channel = AwgnChannel(8.0, seeded(3))
    for (_, _, arrived), got in zip(tried, codec(0.0).decode(channel(b.symbols) for b in bursts), strict=True):
        assert (arrived.start, arrived.caption, arrived.status) == (got.start, got.caption, got.status)
        assert np.array_equal(arrived.keyframe, got.keyframe)


@pytest.mark.parametrize("look", [0.0, 0.5, 1.0])
def test_the_look_of_keyframes_that_is_advised_crosses_the_air(look, monkeypatch):
    told = []
    decode = PictureRoads.decode

    def listened(self, *args):
        told.append(args[-1])
        return decode(self, *args)

    bursts = [burst for _, burst in codec(8.0, look=look).encode(message())]
    monkeypatch.setattr(PictureRoads, "decode", listened)
    got = list(codec(0.0).decode(through(bursts, 30.0)))
    assert [s.caption for s in got] == [s.caption for s in message()]
    assert {advised or 0.0 for advised in told} == {look}


def test_a_look_that_cannot_be_advised_is_refused():
    with pytest.raises(ConfigError, match=r"coding\.look is 0\.3"):
        CodingConfig(look=0.3)


def test_the_same_message_makes_the_same_symbols():
    first = [burst.symbols for _, burst in codec(8.0).encode(message())]
    second = [burst.symbols for _, burst in codec(8.0).encode(message())]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("rule", ["adaptive", "lgvsc-table-1", "paper", "gvsc"])
@pytest.mark.parametrize("believed_db", [-8.0, 8.0, 16.0])
def test_words_are_sent_by_the_rule_and_read_without_knowing_it(rule, believed_db):
    sent = [s.changed(keyframe=None, closing_keyframe=None) for s in message()]
    bursts = [burst for _, burst in codec(believed_db, mcs=rule).encode(sent)]
    got = list(codec(0.0).decode(through(bursts, 30.0)))
    assert [s.caption for s in got] == [s.caption for s in sent]
    assert all(s.motion is not None for s in got)
    words = bursts[0].parts[1]
    if rule == "gvsc":
        assert len(words) == -(-3 * (words.payload_bits + 24) // 2) + 6  # rate 1/3 with CRC, and the tail
    elif rule != "adaptive":
        efficiency = {-8.0: 3 / 2, 8.0: 2, 16.0: 8 / 3}[believed_db]
        assert len(words) == pytest.approx((words.payload_bits + 24) / efficiency, abs=1)


@pytest.mark.parametrize(
    ("believed_db", "true_db", "rule"),
    [
        (10, 4, "adaptive"),
        (10, 4, "lgvsc-table-1"),
        (10, 4, "gvsc"),
        (4, 10, "adaptive"),
        (4, 10, "paper"),
        (-6, 0, "adaptive"),
        (0, -6, "adaptive"),
        (60, 0, "adaptive"),
    ],
)
def test_a_wrong_belief_costs_symbols_or_quality_and_never_more(believed_db, true_db, rule):
    sent = message()
    bursts = [burst for _, burst in codec(believed_db, mcs=rule).encode(sent)]
    got = list(codec(99.0).decode(through(bursts, true_db)))
    for one in got:  # whatever arrives is what was sent, and what did not is said to be lost
        whole = next(s for s in sent if s.start == one.start)
        assert one.caption in (whole.caption, None)
        assert one.status["caption"] == ("lost" if one.caption is None else "ok")
        assert one.status["keyframe"] == ("lost" if one.keyframe is None else "ok")
    if believed_db < true_db:
        assert [s.caption for s in got] == [s.caption for s in sent] and all(s.keyframe is not None for s in got)
    elif got:
        assert any("lost" in s.status.values() for s in got)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ConfigError, match=r"coding\.mcs"):
        CodingConfig(mcs="table-2")
