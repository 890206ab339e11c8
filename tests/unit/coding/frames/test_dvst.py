"""Frames after a keyframe on the air: round trips, exact numbers of symbols, and what missing parts do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.frames.dvst import CodedDifferences, DvstCodec, load, motion_of
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError, InputError, ShapeError
from lgvsc.nets.dvst import Dvst, DvstConfig

SIZE = (50, 70)


def codec(colours: int = 3) -> DvstCodec:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DvstCodec(Dvst.tiny(colours), holds=False)


def frames(count: int, colours: int = 3, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = [np.sin((columns - 3 * i) / 7) * np.cos((rows + i) / 9) * 100 + 120 for i in range(count)]
    return [np.repeat(w[..., None], 3, -1).astype(np.uint8) if colours == 3 else w.astype(np.uint8) for w in waves]


def coded(colours: int = 3, **more) -> tuple[CodedDifferences, list[np.ndarray]]:
    pictures = frames(4, colours)
    return codec(colours).encode(pictures[1:], pictures[0], **{"max_symbols": 300, "snr_db": 10.0} | more), pictures


def clean(made: CodedDifferences, snr_db: float = 10.0) -> Reception:
    return Reception(made.symbols, torch.full((len(made.symbols),), 10 ** (-snr_db / 10)))


@pytest.mark.parametrize("colours", [1, 3])
def test_the_receiver_has_what_the_transmitter_reckoned_where_there_is_no_noise(colours):
    made, pictures = coded(colours)
    shown = codec(colours).decode(clean(made), made.header, pictures[0], 3, *SIZE)
    assert [picture.shape for picture in shown] == [pictures[0].shape] * 3
    for here, there in zip(shown, made.expected, strict=True):
        assert np.abs(here.astype(int) - there.astype(int)).max() <= 2  # float order, and the effective SNR


@pytest.mark.parametrize("max_symbols", [0, 40, 150, 400])
def test_symbols_are_as_many_as_announced_within_the_limit_and_of_unit_energy(max_symbols):
    made, pictures = coded(max_symbols=max_symbols)
    assert codec().symbol_count(made.header, 3, *SIZE) == len(made.symbols) <= max_symbols
    assert len(made.symbols) >= 0.95 * max_symbols
    if max_symbols:
        assert made.symbols.abs().square().mean().item() == pytest.approx(1.0, abs=1e-3)
    shown = codec().decode(clean(made), made.header, pictures[0], 3, *SIZE)
    assert len(shown) == 3


def test_eta_sets_the_rate_within_the_limit():
    counts = [len(coded(eta=eta, max_symbols=2000)[0].symbols) for eta in (0.01, 0.2, 50.0)]
    assert counts[0] < counts[1] < counts[2] <= 2000
    assert len(coded(eta=50.0, max_symbols=100)[0].symbols) <= 100


def test_what_arrives_behind_noise_still_follows_the_symbols():
    made, pictures = coded(max_symbols=400)
    noisy = AwgnChannel(10.0, seeded(0))(made.symbols)
    shown = codec().decode(noisy, made.header, pictures[0], 3, *SIZE)
    replaced = AwgnChannel(10.0, seeded(0))(made.symbols.roll(7))
    other = codec().decode(replaced, made.header, pictures[0], 3, *SIZE)
    assert not np.array_equal(shown[-1], other[-1])


def test_a_lost_header_or_one_that_makes_no_sense_holds_the_reference():
    made, pictures = coded()
    for header in (None, made.header[:0], 1 - made.header):
        if header is not None:
            assert codec().symbol_count(header, 3, *SIZE) == 0
        shown = codec().decode(clean(made), header, pictures[0], 3, *SIZE)
        assert len(shown) == 3 and all(np.array_equal(picture, pictures[0]) for picture in shown)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 700), st.lists(st.integers(0, 1), max_size=300), st.booleans())
def test_wrong_lengths_and_foreign_headers_give_frames_all_the_same(length, bits, own):
    made, pictures = _MADE
    header = made.header if own else np.array(bits, dtype=np.uint8)
    whole = clean(made)
    more = max(0, length - len(whole))
    symbols = torch.cat([whole.symbols, torch.full((more,), complex("nan"))])[:length]
    received = Reception(symbols, torch.cat([whole.noise_variance, torch.full((more,), float("inf"))])[:length])
    shown = _CODEC.decode(received, header, pictures[0], 3, *SIZE)
    assert len(shown) == 3 and all(p.shape == pictures[0].shape and p.dtype == np.uint8 for p in shown)


_CODEC, _MADE = codec(), coded()


def test_a_frame_of_which_nothing_was_heard_is_the_one_before_it_itself():
    made, pictures = coded()
    nothing = Reception(torch.zeros_like(made.symbols), torch.full((len(made.symbols),), float("inf")))
    shown = codec().decode(nothing, made.header, pictures[0], 3, *SIZE)
    assert all(picture is pictures[0] for picture in shown)


def test_frames_in_which_more_changes_get_more():
    pictures = frames(2)
    still = [pictures[0]] * 3 + [pictures[1]]
    _, changes = motion_of([pictures[0], *still], (64, 96))
    assert changes[:3].tolist() == [0, 0, 0] and changes[3] > 0


def test_motion_finds_a_shift_and_leaves_what_stands_still():
    random = np.random.default_rng(0)
    import cv2

    picture = cv2.resize(
        random.integers(0, 256, (24, 24, 3), dtype=np.uint8), (192, 192), interpolation=cv2.INTER_CUBIC
    )
    moved = np.roll(picture, 4, axis=1)
    (still, shifted), _ = motion_of([picture, picture, moved], (192, 192))
    assert not still.any()
    inside = shifted[0, :, 4:-4, 4:-4]
    assert inside[0].median().item() == pytest.approx(-4, abs=0.5) and inside[1].abs().median() < 0.5


def test_what_cannot_be_coded_is_refused():
    pictures = frames(3)
    with pytest.raises(ShapeError, match="uint8"):
        codec().encode([pictures[1][:40]], pictures[0], max_symbols=100, snr_db=10)
    with pytest.raises(ShapeError):
        codec(1).encode([pictures[1]], pictures[0], max_symbols=100, snr_db=10)
    with pytest.raises(ConfigError, match="16 pixels"):
        codec().encode([pictures[1][:9]], pictures[0][:9], max_symbols=100, snr_db=10)
    with pytest.raises(ConfigError, match="1 to 255"):
        codec().encode([], pictures[0], max_symbols=100, snr_db=10)
    with pytest.raises(ConfigError, match="eta"):
        codec().encode(pictures[1:], pictures[0], max_symbols=100, snr_db=10, eta=-1)


def test_weights_load_and_foreign_ones_are_refused():
    from safetensors.torch import save

    net = Dvst.tiny()
    made = load(save({k: v.half() for k, v in net.state_dict().items()}, {"config": net.config.to_json()}))
    assert made.colours == 3
    with pytest.raises(InputError, match="DVST"):
        load(save({"a": torch.zeros(1)}, {"config": DvstConfig().to_json()}))
    with pytest.raises(InputError):
        load(b"nothing")


def test_nothing_is_sent_for_what_coding_would_not_make_better():
    """This network was never trained, so that is everything; and what nothing was sent for stays as it is."""
    pictures = frames(3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = DvstCodec(Dvst.tiny()).encode(pictures[1:], pictures[0], max_symbols=200, snr_db=10.0)
    assert len(made.symbols) == 0 and all(np.array_equal(picture, pictures[0]) for picture in made.expected)
    shown = codec().decode(clean(made), made.header, pictures[0], 2, *SIZE)
    assert all(np.array_equal(picture, pictures[0]) for picture in shown)
