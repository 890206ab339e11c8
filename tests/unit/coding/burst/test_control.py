"""The control block: exact round trips, no silent damage."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgvsc.coding.burst.control import AdvisedControl, MessageControl
from lgvsc.errors import InputError

CONTROL_BITS = MessageControl.block_bits()
PLAIN = MessageControl(
    height=256, width=456, fps_numerator=30000, fps_denominator=1001, total_frames=720, start=48, length=60, last=0,
    cut=0, caption_bits=212, caption_mcs=3, side=1, side_mcs=2, keyframe_codec=0, keyframe_length=900,
    keyframe_mode=5, closing_codec=0, closing_length=0, closing_mode=0,
)  # fmt: skip


@given(st.data())
def test_round_trip_over_every_field(data):
    changes = {
        name: data.draw(st.integers(0, 2**width - 1), label=name)
        for name, width in MessageControl.layout()
        if name not in {"version", "height", "width", "fps_numerator", "fps_denominator", "length", "cut"}
    }
    control = dataclasses.replace(PLAIN, **changes, length=1023, cut=data.draw(st.integers(0, 1023)))
    assert MessageControl.unpack(control.pack()) == control


def test_advice_about_the_look_is_read_and_is_no_plain_block():
    advised = AdvisedControl(**vars(PLAIN), look=3)
    read = AdvisedControl.unpack(advised.pack())
    assert read == advised and read.advised_look == 1.0 and PLAIN.advised_look is None
    plain, checked = PLAIN.pack().tolist(), CONTROL_BITS - sum(width for _, width in MessageControl.layout())
    assert advised.pack().tolist()[:-checked] == [*plain[:-checked], 1, 1]  # its fields, then the look in two bits
    assert MessageControl.unpack(advised.pack()) is None and AdvisedControl.unpack(PLAIN.pack()) is None


def test_golden_bits():
    """The layout on the air must not drift; any change needs a new VERSION."""
    bits = "".join(map(str, PLAIN.pack()))
    assert len(bits) == CONTROL_BITS
    assert bits[:3] == "000"
    assert int(bits[3:17], 2) == 256 and int(bits[17:31], 2) == 456
    assert int(bits[31:49], 2) == 30000 and int(bits[49:59], 2) == 1001
    assert len(bits) == 215  # four modes of five bits, two for what the side information holds


def test_any_one_or_two_wrong_bits_are_noticed():
    bits = PLAIN.pack()
    for i in range(CONTROL_BITS):
        hurt = bits.copy()
        hurt[i] ^= 1
        assert MessageControl.unpack(hurt) is None
        hurt[(i * 7 + 3) % CONTROL_BITS] ^= 1
        if not np.array_equal(hurt, bits):
            assert MessageControl.unpack(hurt) is None


@given(st.lists(st.integers(0, 1), min_size=CONTROL_BITS, max_size=CONTROL_BITS))
def test_random_bits_are_not_control(bits):
    """Sixteen CRC bits and the plausibility of the values stand against chance."""
    assert MessageControl.unpack(np.array(bits, dtype=np.uint8)) is None


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="start"):
        dataclasses.replace(PLAIN, start=1 << 23).pack()
    with pytest.raises(InputError, match="height"):
        dataclasses.replace(PLAIN, height=20000).pack()


def test_wrong_length_is_not_control():
    assert MessageControl.unpack(np.zeros(CONTROL_BITS - 1, np.uint8)) is None
