"""A part that nobody foresaw: one class with its fields, and one more entry in the tuple of parts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, ClassVar

import numpy as np
import pytest
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.belief import Belief
from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.message_codec import CodingConfig, MessageCodec
from lgvsc.coding.modem.digital import MCS_BITS
from lgvsc.coding.parts import PARTS
from lgvsc.coding.parts.part import Coded, Heard, MessagePart, became, digital, digital_length, read_bits
from lgvsc.coding.parts.sketches import SketchControl
from lgvsc.coding.pictures.digital_picture import DigitalPictureCodec
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.core.air import Reception
from lgvsc.core.message import Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError

VIDEO = VideoFormat(64, 96, Fraction(24), 40)
REPEATS = 150  # of the toy's eight bits, so that it is as long as a real payload


@dataclass(frozen=True, kw_only=True)
class SurpriseControl(MessageControl):
    """A segment with a surprise."""

    version: ClassVar[int] = 3

    surprise_bits: Annotated[int, 12] = 0
    surprise_mcs: Annotated[int, MCS_BITS] = 0

    def plausible(self) -> bool:
        return MessageControl.plausible(self) and self.surprise_bits > 0


class Surprise(MessagePart):
    """Sends the divergence of a segment, which no other part does, in steps of 1/100, many times over."""

    control = SurpriseControl
    names = ("surprise",)

    def encode(self, segment, terms):
        if segment.divergence is None:
            return None
        bits = np.tile(np.unpackbits(np.uint8(round(100 * segment.divergence))), REPEATS)
        piece, mcs = digital("side", bits, terms, "surprise")
        return Coded((piece,), {"surprise_bits": len(bits), "surprise_mcs": mcs})

    def length(self, control):
        return digital_length(control.surprise_bits, control.surprise_mcs)

    def decode(self, received, control):
        bits = read_bits(received, control.surprise_bits, control.surprise_mcs)
        divergence = None if bits is None else np.packbits(bits)[0] / 100
        return Heard({"divergence": divergence}, {"surprise": became(control.surprise_bits, divergence)})


def codec(parts=(*PARTS, Surprise), snr_db=10.0, **config):
    return MessageCodec(
        PictureRoads([DigitalPictureCodec()]),
        Belief(snr_db, CodingConfig(**config).text_mcs),
        CodingConfig(**config),
        parts=parts,
    )


def segments():
    rows, columns = np.mgrid[:64, :96]
    picture = np.stack([2 * rows, 2 * columns, rows + columns], -1).astype(np.uint8)
    first = Segment(video=VIDEO, start=0, stop=25, caption="a hill", keyframe=picture, divergence=0.75)
    return [first, Segment(video=VIDEO, start=25, stop=40, caption="a lake", closing_keyframe=picture, last=True)]


def received(bursts, lost=""):
    """Bursts behind noise of 10 dB, the pieces of one label erased."""
    for number, burst in enumerate(bursts):
        heard = AwgnChannel(10.0, seeded(number))(burst.symbols)
        labels = np.concatenate([np.full(len(part), part.label or part.purpose) for part in burst.parts])
        gone = torch.from_numpy(labels == lost)
        yield Reception(heard.symbols, heard.noise_variance.masked_fill(gone, float("inf")))


def test_it_arrives_beside_every_other_part_and_is_charged():
    sent = [burst for _, burst in codec().encode(segments())]
    assert [part.label for part in sent[0].parts if part.label] == ["keyframe", "surprise"]
    assert sent[0].parts[0].payload_bits == SurpriseControl.block_bits()
    first, second = codec(snr_db=99.0).decode(received(sent))
    assert (first.divergence, first.caption, first.status["surprise"]) == (0.75, "a hill", "ok")
    assert first.keyframe is not None and first.status["key_sketch"] == "absent"
    assert (second.divergence, second.caption, second.status["surprise"]) == (None, "a lake", "absent")


def test_it_is_lost_alone():
    sent = [burst for _, burst in codec().encode(segments())]
    first, second = codec().decode(received(sent, lost="surprise"))
    assert first.divergence is None and first.status["surprise"] == "lost"
    assert first.caption == "a hill" and first.keyframe is not None and second.closing_keyframe is not None
    first, _ = codec().decode(received(sent, lost="keyframe"))
    assert first.divergence == 0.75 and first.status["keyframe"] == "lost"


def test_segments_without_it_are_sent_as_if_it_did_not_exist():
    known, unknown = codec(), codec(PARTS)
    plain = [segment.changed(divergence=None) for segment in segments()]
    for (_, mine), (_, theirs) in zip(known.encode(plain), unknown.encode(plain), strict=True):
        assert torch.equal(mine.symbols, theirs.symbols)


def test_a_receiver_that_does_not_know_it_reads_the_other_segments():
    sent = [burst for _, burst in codec().encode(segments())]
    assert [segment.caption for segment in codec(PARTS).decode(received(sent))] == ["a lake"]


def test_its_symbols_are_taken_from_the_keyframe_s():
    budget = {"budget": "0.004cbr"}
    ((_, with_it), _), ((_, without), _) = codec(**budget).encode(segments()), codec(PARTS, **budget).encode(segments())
    key = [{part.purpose: len(part) for part in burst.parts}["keyframes"] for burst in (with_it, without)]
    assert key[0] < key[1] and abs(len(with_it) - len(without)) < 0.1 * len(without)


def test_two_parts_that_no_layout_announces_together_are_refused():
    class Drawn(Surprise):
        control = SketchControl

    with pytest.raises(ConfigError, match="SketchControl"):
        list(codec((*PARTS, Drawn, Surprise)).encode(segments()))
