"""The structure layer: small frames as bits, charged and lost by themselves, announced by the shortest control."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.belief import Belief
from lgvsc.coding.burst.control import MessageControl, VideoControl
from lgvsc.coding.frames.format_search import FormatChoice
from lgvsc.coding.frames.formats import Format, Gop
from lgvsc.coding.frames.standard_codec import Quantiser, encode_gop
from lgvsc.coding.frames.structure import structure_frames, structure_of
from lgvsc.coding.message_codec import CodingConfig, MessageCodec
from lgvsc.coding.packets.packet_header import read_packet
from lgvsc.coding.packets.packets import PacketConfig, depacketise, packetise
from lgvsc.coding.parts.pictures import Keyframe
from lgvsc.coding.parts.structure import (
    MOST_BYTES,
    LookAloneControl,
    LookAndPictureControl,
    LookControl,
    StructureAloneControl,
    StructureAndPictureControl,
    StructureControl,
)
from lgvsc.coding.pictures.digital_picture import DigitalPictureCodec
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.core.air import Reception
from lgvsc.core.container import message_view, read_message, write_message
from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError

VIDEO = VideoFormat(64, 96, Fraction(24), 24)


def frames():
    """A disc that crosses a ramp."""
    rows, columns = np.mgrid[:64, :96]
    for index in range(24):
        ramp = np.stack([2 * rows, 2 * columns, rows + columns], -1)
        disc = ((rows - 30) ** 2 + (columns - 10 - 3 * index) ** 2 < 120)[..., None]
        yield np.where(disc, np.uint8(230), ramp).astype(np.uint8)


@pytest.fixture(scope="module")
def layer():
    gop = Gop(0, 64, 96)
    for pixels in frames():
        gop.add(pixels)
    form, quantiser = Format(4, 3), Quantiser(36.0)
    return structure_of("av1", FormatChoice(form, quantiser, encode_gop("av1", gop.pictures(form), quantiser), 1))


def segment(layer, **changes):
    plain = Segment(video=VIDEO, start=0, stop=24, structure=layer, last=True)
    return plain.changed(**changes)


def codec(snr_db=10.0, **config):
    return MessageCodec(
        PictureRoads([DigitalPictureCodec()]), Belief(snr_db, CodingConfig(**config).text_mcs), CodingConfig(**config)
    )


def sent(segment, snr_db=10.0):
    ((_, burst),) = codec(snr_db).encode([segment])
    return burst


def received(burst, lost="", snr_db=10.0):
    heard = AwgnChannel(snr_db, seeded(1))(burst.symbols)
    purposes = np.concatenate([np.full(len(part), part.purpose) for part in burst.parts])
    gone = torch.from_numpy(purposes == lost)
    (got,) = codec().decode([Reception(heard.symbols, heard.noise_variance.masked_fill(gone, float("inf")))])
    return got


def test_it_arrives_as_it_was_sent_and_shows_small_frames_in_their_places(layer):
    burst = sent(segment(layer))
    assert {part.purpose: part.payload_bits for part in burst.parts}["structure"] == 8 * len(layer.payload)
    got = received(burst)
    assert got.structure == layer and got.status["structure"] == "ok" and got.keyframe is None
    source, shown = list(frames()), structure_frames(got.structure, 64, 96, 24)
    assert [place for place, _ in shown] == list(range(1, 24, 3))
    for place, picture in shown:
        error = np.abs(source[place].astype(float) - picture).mean()
        assert error < np.abs(source[(place + 12) % 24].astype(float) - picture).mean() and error < 12


@pytest.mark.parametrize(
    ("said", "layout"),
    [
        ({}, StructureAloneControl),
        ({"look": 3}, LookAloneControl),
        ({"keyframe": 1, "look": 3}, StructureAndPictureControl),
        ({"keyframe": 1}, LookAndPictureControl),
        ({"keyframe": 1, "caption": "a disc", "look": 3}, StructureControl),
        ({"keyframe": 1, "caption": "a disc", "look": 1}, LookControl),
        ({"motion": Motion(score=1.0)}, StructureControl),
        ({"cut": 12}, StructureControl),
    ],
)
def test_control_is_as_short_as_what_is_said_allows_and_every_layout_is_read(layer, said, layout):
    layer = replace(layer, look=said.get("look", 0))
    said = {name: next(frames()) if name == "keyframe" else value for name, value in said.items() if name != "look"}
    burst = sent(segment(layer, **said))
    assert burst.parts[0].payload_bits == layout.block_bits()
    got = received(burst)
    assert got.structure == layer and got.cut == said.get("cut") and got.caption == said.get("caption")
    assert (got.keyframe is None) == ("keyframe" not in said)


def test_structure_alone_pays_no_more_control_than_a_codec_and_words_alone_as_ever(layer):
    for snr_db in (-2.0, 0.0, 5.0, 10.0, 20.0):
        assert StructureAloneControl.head_symbols(snr_db) == VideoControl.head_symbols(snr_db)
    words = sent(segment(None, caption="a disc"))
    assert words.parts[0].payload_bits == MessageControl.block_bits()


def test_it_is_lost_alone(layer):
    burst = sent(segment(layer, keyframe=next(frames()), caption="a disc"))
    got = received(burst, lost="structure")
    assert got.structure is None and got.status["structure"] == "lost"
    assert got.caption == "a disc" and got.keyframe is not None
    got = received(burst, lost="keyframes")
    assert got.structure == layer and got.status["keyframe"] == "lost"


def test_a_keyframe_of_few_symbols_is_put_away_where_small_frames_arrive(layer):
    long = replace(layer, payload=8 * layer.payload)
    burst = sent(segment(long, keyframe=next(frames())))
    got = received(burst)
    assert got.structure is not None and got.keyframe is None and got.status["keyframe"] == "ok"
    assert received(burst, lost="structure").keyframe is not None


def test_a_transmitter_that_tries_does_not_read_what_would_be_put_away(layer, monkeypatch):
    monkeypatch.setattr(Keyframe, "decode", lambda *_: pytest.fail("the keyframe was read"))
    long = segment(replace(layer, payload=8 * layer.payload), keyframe=next(frames()))
    ((_, _, arrived),) = codec().try_out([long], AwgnChannel(10.0, seeded(1)))
    assert arrived.structure is not None and arrived.keyframe is None


def test_what_arrives_before_a_lost_block_still_shows_its_frames(layer):
    short = replace(layer, payload=layer.payload[: len(layer.payload) * 2 // 3])
    shown = structure_frames(short, 64, 96, 24)
    whole = structure_frames(layer, 64, 96, 24)
    assert 0 < len(shown) < len(whole)
    assert np.array_equal(shown[0][1], whole[0][1])
    assert structure_frames(replace(layer, payload=b"\x00\x01nothing"), 64, 96, 24) == []
    assert structure_frames(replace(layer, header_check=layer.header_check ^ 1), 64, 96, 24) == []


def test_a_layer_longer_than_control_can_say_is_refused(layer):
    with pytest.raises(ConfigError, match=r"structure\.group_frames"):
        sent(segment(replace(layer, payload=bytes(MOST_BYTES + 1))))


def test_a_message_with_one_is_a_file_of_version_3_and_reads_back(layer, tmp_path):
    with_it, without = (
        segment(layer, keyframe=next(frames()), stop=12, last=False),
        segment(None, start=12, caption="x"),
    )
    write_message(tmp_path / "m.lgvsc", [with_it, without])
    assert (tmp_path / "m.lgvsc").read_bytes()[6] == 3
    first, second = read_message(tmp_path / "m.lgvsc").segments
    assert first.structure == layer and second.structure is None and first.keyframe is not None
    view = message_view([first, second])
    assert view["version"] == 3 and view["segments"][0]["structure"]["bytes"] == len(layer.payload)
    write_message(tmp_path / "w.lgvsc", [without.changed(start=0)])
    assert (tmp_path / "w.lgvsc").read_bytes()[6] == 1


def test_packets_carry_it_and_lose_its_end_alone(layer):
    whole = list(packetise([segment(layer, caption="a disc")], PacketConfig(mtu=80, extra=0.0)))
    (got,) = depacketise(whole)
    assert got.structure == layer and got.status["structure"] == "ok" and got.caption == "a disc"
    small = [number for number, packet in enumerate(whole) if read_packet(packet).header.part == "structure"]
    del whole[small[-1]]
    (got,) = depacketise(whole)
    assert got.status["structure"] == "lost" and got.caption == "a disc"
    assert layer.payload.startswith(got.structure.payload) and len(got.structure.payload) > 0
    plain = list(packetise([segment(None, caption="a disc")]))
    assert all(packet[0] & 15 == 1 for packet in plain)


@pytest.mark.parametrize(("look", "told"), [(0, 0.0), (1, None), (2, 0.5), (3, 1.0)])
def test_the_look_that_is_advised_goes_for_the_keyframe_too(layer, look, told):
    asked = []
    roads = PictureRoads([DigitalPictureCodec()], shown=lambda advised: asked.append(advised) or {})
    config = CodingConfig(keyframe_cbr=0.05)
    both = MessageCodec(roads, Belief(10.0, config.text_mcs), config)
    picture = next(iter(frames()))
    ((_, burst),) = both.encode([segment(replace(layer, look=look), keyframe=picture)])
    (found,) = both.decode([AwgnChannel(20.0, seeded(1))(burst.symbols)])
    assert found.keyframe is not None and found.structure.look == look and asked[0] == told
    asked.clear()
    ((_, burst),) = both.encode([segment(None, keyframe=picture)])
    list(both.decode([AwgnChannel(20.0, seeded(1))(burst.symbols)]))
    assert asked[0] is None  # nothing advises a look where there are no small frames
