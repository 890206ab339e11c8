"""The learned road of a keyframe: budgets, what is announced, what is charged, and what happens when parts are lost.

A network that starts as a transform code stands in for the trained one: it carries pictures, only less well.
"""

from __future__ import annotations

import functools
import math
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import save

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.pictures import ntscc as ntscc_road
from lgvsc.coding.pictures import ntscc_refine
from lgvsc.coding.pictures.ntscc import (
    EVEN_KINDS,
    IN_CONTROL,
    IN_HEADER,
    KINDS,
    GainScale,
    Layout,
    NtsccPictureCodec,
    effective_snr_db,
    even_map,
    place,
    stream_of,
    symbols_of,
    to_batch,
    to_blocks,
    typical_entry,
)
from lgvsc.coding.pictures.ntscc_refine import RefinementTrial
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.core.air import Reception
from lgvsc.core.interfaces import CodedPicture
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, InputError
from lgvsc.metrics.dists import dists_distance
from lgvsc.metrics.lpips import lpips_distance
from lgvsc.nets.ntscc import BLOCK, RATES, Ntscc, NtsccConfig, pool, start_from_patches
from lgvsc.nets.ntscc_look import difference
from lgvsc.training.pictures import as_batch

CONFIG = NtsccConfig(latent=48, widths=(4, 8, 8), hyper=4, coder_blocks=1, rates=(1, 2, 4, 8, 16, 20, 24))


def scene(height: int, width: int, seed: int = 0) -> Pixels:
    """A smooth picture with a busy corner, so that rates differ."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    channels = [128 + 60 * np.sin(x / (9 + 5 * c) + random.uniform(0, 6)) * np.cos(y / 13) for c in range(3)]
    picture = np.stack(channels, -1)
    picture[: height // 2, : width // 2] += random.normal(0, 25, (height // 2, width // 2, 3))
    return picture.clip(0, 255).astype(np.uint8)


@functools.cache
def codec() -> NtsccPictureCodec:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Ntscc(CONFIG)
    pictures = [torch.from_numpy(scene(128, 128, seed)).permute(2, 0, 1) / 255 for seed in range(20, 28)]
    blocks = torch.nn.functional.pixel_unshuffle(torch.stack(pictures), BLOCK)
    start_from_patches(net, blocks.permute(0, 2, 3, 1).reshape(-1, 3 * BLOCK**2))
    return NtsccPictureCodec(net)


def arrive(coded: CodedPicture, snr_db: float, seed: int = 1) -> Reception:
    return AwgnChannel(snr_db, seeded(seed))(coded.symbols)


def decoded(coded: CodedPicture, received: Reception, height: int, width: int) -> Pixels | None:
    return codec().decode(received, coded.length, coded.mode, height, width)


def error(first: Pixels, second: Pixels | None) -> float:
    assert second is not None
    return float(np.square(first.astype(float) - second).mean())


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (160, 96), (100, 77), (16, 16), (31, 200)])
def test_a_picture_of_any_size_comes_back_in_its_size(size):
    picture = scene(*size)
    budget = round(0.02 * picture.size) + 120
    coded = codec().encode(picture, max_symbols=budget, snr_db=15.0)
    rebuilt = decoded(coded, arrive(coded, 15.0), *size)
    assert rebuilt is not None and rebuilt.shape == picture.shape and rebuilt.dtype == np.uint8
    assert error(picture, rebuilt) < 0.7 * picture.astype(float).var()


@pytest.mark.parametrize("cbr", [0.006, 0.012, 0.024])
@pytest.mark.parametrize("snr_db", [0.0, 5.0, 10.0, 20.0])
def test_the_budget_is_met_within_five_percent_header_and_all(cbr, snr_db):
    picture = scene(256, 256)
    budget = int(cbr * picture.size)
    coded = codec().encode(picture, max_symbols=budget, snr_db=snr_db)
    assert 0.95 * budget <= coded.symbols.numel() <= budget
    assert coded.length < 1 << 17 and coded.mode < 16
    assert codec().symbol_count(coded.length, coded.mode, 256, 256) == coded.symbols.numel()
    assert coded.symbols.abs().square().mean().item() == pytest.approx(1.0, abs=0.02)


def test_a_large_picture_can_be_announced():
    """720p at the highest rate: more symbols than 17 bits count one by one."""
    layout = Layout.of(720, 1280, NtsccConfig())
    symbols = 4 * layout.entries * RATES[-1] + 1000
    units = -(-symbols // layout.unit)
    assert (units * KINDS + 15) < 1 << 17
    assert layout.unit < 0.003 * 0.06 * 3 * 720 * 1280  # what padding can cost


def test_any_map_fits_into_the_largest_size():
    random = np.random.default_rng(0)
    for height, width in ((32, 32), (64, 96), (256, 256)):
        layout = Layout.of(height, width, NtsccConfig())
        most = layout.map_bits(KINDS - 1)
        assert most >= layout.entries * math.log2(len(RATES[:: ntscc_road.COARSE]))
        smooth = np.clip(2 + np.cumsum(random.integers(-1, 2, (layout.rows, layout.columns)), 1), 0, 5)
        assert ntscc_road.encode_map(smooth, 16, 6, most) is not None


def test_quality_rises_with_the_snr_and_with_the_budget():
    picture = scene(128, 128)

    def at(cbr: float, snr_db: float) -> float:
        coded = codec().encode(picture, max_symbols=int(cbr * picture.size), snr_db=snr_db)
        return error(picture, decoded(coded, arrive(coded, snr_db), 128, 128))

    errors = [at(0.02, snr_db) for snr_db in (0.0, 5.0, 10.0, 20.0)]
    assert errors == sorted(errors, reverse=True)
    assert at(0.03, 10.0) < at(0.01, 10.0)


def test_there_is_no_cliff_where_the_channel_is_worse_than_believed():
    """The header too must survive down to 0 dB, where the transmitter believes 12."""
    picture = scene(128, 128)
    coded = codec().encode(picture, max_symbols=int(0.02 * picture.size), snr_db=12.0)
    assert coded.length % KINDS >= EVEN_KINDS
    errors = [error(picture, decoded(coded, arrive(coded, snr_db), 128, 128)) for snr_db in (12, 9, 6, 3, 0.5)]
    assert errors == sorted(errors)
    assert all(after < 2.2 * before for before, after in pairwise(errors))


def test_noise_in_place_of_every_symbol_loses_the_picture():
    picture = scene(128, 128)
    coded = codec().encode(picture, max_symbols=983, snr_db=10.0)
    noise = torch.randn(coded.symbols.shape, dtype=torch.complex64, generator=seeded(3))
    rebuilt = decoded(coded, Reception(noise, torch.full(noise.shape, 0.1)), 128, 128)
    assert rebuilt is None or error(picture, rebuilt) > 0.8 * picture.astype(float).var()


def test_a_lost_header_loses_the_picture():
    picture = scene(128, 128)
    coded = codec().encode(picture, max_symbols=983, snr_db=20.0)
    received = Reception(coded.symbols.clone(), torch.full(coded.symbols.shape, 1e-3))
    received.symbols[: Layout.of(128, 128, CONFIG).header_symbols(coded.length % KINDS, coded.mode)] = 0
    assert decoded(coded, received, 128, 128) is None


def test_on_a_bad_channel_there_is_no_header_to_lose():
    picture = scene(128, 128)
    coded = codec().encode(picture, max_symbols=983, snr_db=-2.0)
    assert coded.length % KINDS < EVEN_KINDS and coded.payload_bits == 0
    errors = [error(picture, decoded(coded, arrive(coded, snr_db), 128, 128)) for snr_db in (30.0, -2.0, -8.0)]
    assert errors == sorted(errors)
    assert errors[0] < 0.5 * picture.astype(float).var()


def test_erased_symbols_cost_quality_not_the_picture():
    picture = scene(128, 128)
    coded = codec().encode(picture, max_symbols=983, snr_db=15.0)
    received = arrive(coded, 15.0)
    whole = error(picture, decoded(coded, received, 128, 128))
    received.symbols[400:460] = float("nan")
    received.noise_variance[600:640] = float("inf")
    part = error(picture, decoded(coded, received, 128, 128))
    assert whole < part < picture.astype(float).var()
    short = decoded(coded, received[:700], 128, 128)
    assert short is not None and error(picture, short) > part


@pytest.mark.parametrize("snr_db", [0.0, 10.0])
def test_a_picture_of_which_nothing_was_heard_is_lost(snr_db):
    """With a header and without; a picture made of erasures alone would be called received."""
    coded = codec().encode(scene(64, 96), max_symbols=400, snr_db=snr_db)
    received = arrive(coded, snr_db)
    layout = Layout.of(64, 96, CONFIG)
    head = layout.header_symbols(coded.length % KINDS, coded.mode)
    erased = Reception(received.symbols.clone(), received.noise_variance.clone())
    erased.noise_variance[head:] = math.inf
    assert decoded(coded, received, 64, 96) is not None
    assert decoded(coded, erased, 64, 96) is None
    assert decoded(coded, received[:head], 64, 96) is None


def test_the_receiver_needs_nothing_but_what_control_says():
    """A second receiver, made from the same weights, gives the same picture."""
    picture = scene(96, 128)
    coded = codec().encode(picture, max_symbols=900, snr_db=8.0)
    received = arrive(coded, 8.0)
    other = NtsccPictureCodec(Ntscc(CONFIG))
    other._net.load_state_dict(codec()._net.state_dict())
    first = decoded(coded, received, 96, 128)
    again = other.decode(received, coded.length, coded.mode, 96, 128)
    assert first is not None and again is not None
    np.testing.assert_array_equal(first, again)


def test_the_entropy_model_is_no_business_of_the_receiver():
    picture = scene(96, 128)
    coded = codec().encode(picture, max_symbols=900, snr_db=8.0)
    other = NtsccPictureCodec(Ntscc(CONFIG))
    other._net.load_state_dict(codec()._net.state_dict())
    with torch.no_grad():
        for part in (other._net.hyper_analysis, other._net.hyper_synthesis, other._net.encoder, other._net.analysis):
            for parameter in part.parameters():
                parameter.fill_(float("nan"))
    received = arrive(coded, 8.0)
    again = other.decode(received, coded.length, coded.mode, 96, 128)
    assert again is not None
    np.testing.assert_array_equal(decoded(coded, received, 96, 128), again)


@pytest.mark.parametrize("seed", range(30))
def test_hostile_announcements_never_raise(seed):
    random = np.random.default_rng(seed)
    length, mode = int(random.integers(0, 1 << 17)), int(random.integers(0, 16))
    height, width = (int(v) for v in random.integers(1, 200, 2))
    assert codec().symbol_count(length, mode, height, width) >= 0
    symbols = torch.randn(int(random.integers(0, 3000)), dtype=torch.complex64, generator=seeded(seed))
    rebuilt = codec().decode(Reception(symbols, torch.full(symbols.shape, 0.1)), length, mode, height, width)
    assert rebuilt is None or rebuilt.shape == (height, width, 3)


def test_too_few_symbols_and_too_small_pictures_are_refused_with_the_way_out():
    with pytest.raises(ConfigError, match="digital road"):
        codec().encode(scene(128, 128), max_symbols=60, snr_db=10.0)
    with pytest.raises(ConfigError, match="16 pixels"):
        codec().encode(scene(15, 64), max_symbols=500, snr_db=10.0)
    least = codec().min_symbols(128, 128)
    assert codec().encode(scene(128, 128), max_symbols=least, snr_db=10.0).symbols.numel() == least
    with pytest.raises(ConfigError):
        codec().encode(scene(128, 128), max_symbols=least - 1, snr_db=10.0)


@pytest.mark.parametrize("symbols", [300, 700, 1111, 3000, 9000])
def test_an_even_map_follows_from_integers_and_fills_the_budget(symbols):
    layout = Layout.of(256, 256, NtsccConfig())
    indices = even_map(layout, symbols, RATES)
    assert indices.max() - indices.min() <= 1
    assert symbols_of(indices, RATES) <= max(symbols, 4 * 64)
    if symbols > 4 * 64:
        assert symbols_of(indices, RATES) > symbols - 4 * (RATES[indices.min() + 1] - RATES[indices.min()])


def test_the_typical_entry_is_the_nearest_rate_in_ratio():
    layout = Layout.of(64, 64, NtsccConfig())
    for per_block, index in ((1, 0), (2, 1), (3, 2), (2.7, 1), (10, 5), (500, len(RATES) - 1)):
        assert typical_entry(round(per_block * 16), layout, RATES) == 4 * index  # every second rate, in eighths


@pytest.mark.parametrize(("scale", "tolerance_db"), [(IN_HEADER, 0.1), (IN_CONTROL, 0.2)])
def test_a_gain_is_told_closely(scale, tolerance_db):
    for gain in (0.13, 0.5, 0.77, 1.0, 1.9):
        assert abs(20 * math.log10(scale.gain(scale.level(gain)) / gain)) <= tolerance_db


def test_gains_beyond_the_scale_saturate():
    scale = GainScale(2, 1, 0.0)
    assert [scale.gain(scale.level(gain)) for gain in (0.0, 1.0, 3.9, 1e9)] == [1.0, 1.0, 4.0, 8.0]


def test_the_stream_goes_block_by_block():
    net = Ntscc(CONFIG)
    mask = net.sent(torch.tensor([[[0, 2], [1, 0]]]))
    stream = torch.arange(1.0, 17.0)
    placed = place(stream, mask)
    assert placed[0, :2, 0, 0].tolist() == [1, 2]
    assert placed[0, :8, 0, 1].tolist() == [3, 4, 5, 6, 7, 8, 9, 10]
    assert torch.equal(stream_of(placed, mask), stream)


def test_the_effective_snr_of_a_constant_channel_is_its_own():
    assert effective_snr_db(torch.full((100,), 0.1)) == pytest.approx(10.0, abs=1e-4)
    fading = torch.cat([torch.full((50,), 0.1), torch.full((50,), 1e6)])  # half of it erased
    assert -1.0 < effective_snr_db(fading) < 2.0


def test_other_weights_are_refused():
    from safetensors.torch import save

    with pytest.raises(InputError, match="compact NTSCC"):
        ntscc_road.load(save({"weight": torch.zeros(3)}, {"config": "{}"}))
    with pytest.raises(InputError, match="compact NTSCC"):
        ntscc_road.load(b"nothing at all")


def shipped() -> NtsccPictureCodec:
    from importlib.resources import files

    return ntscc_road.load((files("lgvsc.models") / "assets" / "compact-ntscc.safetensors").read_bytes())


def test_the_shipped_weights_carry_a_photograph_and_fall_softly():
    """A photograph that no training saw. The floors are what was measured, less half a decibel."""
    data = pytest.importorskip("skimage.data")
    picture = np.ascontiguousarray(data.astronaut()[::2, ::2])  # 256 x 256
    road = shipped()
    psnr = {}
    for snr_db in (0.0, 5.0, 10.0):
        coded = road.encode(picture, max_symbols=3932, snr_db=snr_db)
        received = AwgnChannel(snr_db, seeded(0))(coded.symbols)
        rebuilt = road.decode(received, coded.length, coded.mode, 256, 256)
        psnr[snr_db] = 10 * math.log10(255**2 / error(picture, rebuilt))
    assert psnr[0.0] > FLOORS[0] and psnr[5.0] > FLOORS[1] and psnr[10.0] > FLOORS[2]


FLOORS = (17.8, 20.2, 21.7)


def test_the_shipped_vivid_end_looks_more_like_a_photograph_from_the_same_symbols():
    """LPIPS was trained on, so this says no more than that the file is the vivid end of the shipped network."""
    picture, vivid = astronaut(), shipped_vivid()
    faithful_sent, vivid_sent = (road.encode(picture, max_symbols=3932, snr_db=10.0) for road in (shipped(), vivid))
    assert len(faithful_sent.symbols) == len(vivid_sent.symbols)
    faithful = distance_of(picture, shipped(), faithful_sent)
    assert distance_of(picture, vivid, vivid_sent) < 0.7 * faithful
    assert distance_of(picture, vivid, faithful_sent) < 0.9 * faithful  # what an older transmitter sent
    assert distance_of(picture, shipped(), vivid_sent) < 1.2 * faithful  # a receiver that wants it faithful


def test_a_transmitter_that_takes_its_time_for_a_vivid_look_lowers_both_distances():
    picture = astronaut()[64:192, 64:192].copy()
    plain, refined = (shipped_vivid().refined(steps) for steps in (0, 6))
    sent = [road.encode(picture, max_symbols=983, snr_db=10.0) for road in (plain, refined)]
    for distance, most in ((lpips_distance, 0.97), (dists_distance, 0.95)):
        before, after = (distance_of(picture, shipped_vivid(), coded, distance) for coded in sent)
        assert after < most * before


def astronaut() -> np.ndarray:
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(data.astronaut()[::2, ::2])  # 256 x 256


@functools.cache
def shipped_vivid() -> NtsccPictureCodec:
    data = (files("lgvsc.models") / "assets" / "compact-ntscc-vivid.safetensors").read_bytes()
    return ntscc_road.load_vivid(data)


def distance_of(picture, road, coded, distance=lpips_distance) -> float:
    """How different a picture looks from what a receiver shows of it at 10 dB."""
    shown = road.decode(arrive(coded, 10.0), coded.length, coded.mode, *picture.shape[:2])
    assert shown is not None
    with torch.no_grad():
        return float(distance(as_batch([picture]), as_batch([shown])))


def test_a_preview_is_what_arrives_but_for_the_rounded_gain():
    picture = scene(64, 96)
    coded = codec().encode(picture, max_symbols=800, snr_db=60.0)
    arrived = codec().decode(arrive(coded, 60.0), coded.length, coded.mode, 64, 96)
    seen = codec().preview(picture, max_symbols=800, snr_db=60.0, noise=seeded(0))
    assert arrived is not None and seen.shape == picture.shape
    assert np.abs(seen.astype(int) - arrived).mean() < 1.0
    with pytest.raises(ConfigError, match="too few"):
        codec().preview(picture, max_symbols=3, snr_db=10.0, noise=seeded(0))


def test_a_look_of_another_network_is_refused():
    with pytest.raises(InputError, match="vivid end"):
        ntscc_road.load_vivid(save({"decoder.nothing": torch.zeros(1)}))


def test_a_receiver_of_another_look_shows_what_the_transmitter_does_not_know_of():
    picture = scene(64, 96)
    faithful = codec()._net.state_dict()
    other = {name: value + 0.02 * torch.ones_like(value) for name, value in faithful.items()}
    looking = codec().looking(difference(faithful, other), 1.0)
    roads = PictureRoads([codec()], shown=lambda look: {codec().codec: looking} if look else {})
    coded = roads.encode(picture, max_symbols=800, snr_db=10.0)
    received = arrive(coded, 10.0)
    plain, shown = (roads.decode(received, coded.header, 64, 96, look) for look in (None, 1.0))
    assert plain is not None and shown is not None and not np.array_equal(plain, shown)
    assert np.array_equal(shown, looking.decode(received, coded.length, coded.mode, 64, 96))
    assert torch.equal(coded.symbols, PictureRoads([codec()]).encode(picture, max_symbols=800, snr_db=10.0).symbols)


@functools.cache
def refining(steps: int = 6) -> NtsccPictureCodec:
    """What :func:`codec` is, with a transmitter that takes its time."""
    return codec().refined(steps)


def mean_error(coded: CodedPicture, picture: Pixels, snr_db: float, road: NtsccPictureCodec) -> float:
    """Mean squared error over eight noises, none of which a transmitter has seen."""
    height, width = picture.shape[:2]
    seen = [
        road.decode(arrive(coded, snr_db, seed), coded.length, coded.mode, height, width) for seed in range(100, 108)
    ]
    return float(np.mean([error(picture, one) for one in seen]))


@pytest.mark.parametrize("snr_db", [0.0, 5.0, 15.0])
@pytest.mark.parametrize("size", [(128, 128), (64, 72)])
def test_a_refined_picture_is_seen_better_within_the_same_symbols(size, snr_db):
    """The receiver is the one of plain pictures: :func:`codec` decodes both."""
    picture = scene(*size)
    budget = round(0.02 * picture.size) + 60
    plain = codec().encode(picture, max_symbols=budget, snr_db=snr_db)
    refined = refining().encode(picture, max_symbols=budget, snr_db=snr_db)
    assert 0.95 * budget <= refined.symbols.numel() <= budget
    assert refined.symbols.abs().square().mean().item() == pytest.approx(1.0, abs=0.02)
    assert codec().symbol_count(refined.length, refined.mode, *size) == refined.symbols.numel()
    assert mean_error(refined, picture, snr_db, codec()) < mean_error(plain, picture, snr_db, codec())


def test_equal_pictures_are_refined_to_equal_symbols_whatever_was_drawn_before():
    picture = scene(96, 128)
    first = refining().encode(picture, max_symbols=900, snr_db=5.0)
    torch.rand(7)
    with torch.inference_mode():  # what a caller may be in
        again = refining().encode(picture, max_symbols=900, snr_db=5.0)
    assert torch.equal(first.symbols, again.symbols)
    assert (first.length, first.mode) == (again.length, again.mode)


def test_refining_changes_neither_the_networks_nor_the_receiver():
    picture = scene(96, 128)
    before = {name: value.clone() for name, value in codec()._net.state_dict().items()}
    plain = codec().encode(picture, max_symbols=900, snr_db=8.0)
    received = arrive(plain, 8.0)
    seen = decoded(plain, received, 96, 128)
    refining().encode(picture, max_symbols=900, snr_db=8.0)
    assert all(torch.equal(value, before[name]) for name, value in codec()._net.state_dict().items())
    assert all(parameter.grad is None for parameter in codec()._net.parameters())
    again = refining().decode(received, plain.length, plain.mode, 96, 128)
    assert seen is not None and again is not None
    np.testing.assert_array_equal(seen, again)


def test_what_is_refined_is_never_seen_worse_and_sends_nothing_more():
    net = codec()._net
    trial = RefinementTrial(net, to_batch(scene(64, 64)), 64, 64, 5.0)
    indices = torch.full((1, 4, 4), 3)
    with torch.no_grad():
        reals = net.encode(torch.randn(1, 48, 4, 4, generator=seeded(0)), indices, net.state(*torch.ones(3, 1)))
    for steps in (0, 1, 5):
        refined = trial.refine(reals, indices, steps)
        assert trial.score(refined, indices) <= trial.score(reals, indices)
        assert torch.equal(refined * net.sent(indices), refined)
    assert trial.score(refined, indices) < trial.score(reals, indices)


def test_a_step_that_only_harms_is_not_taken(monkeypatch):
    monkeypatch.setattr(ntscc_refine, "STEP", 100.0)
    net = codec()._net
    trial = RefinementTrial(net, to_batch(scene(64, 64)), 64, 64, 5.0)
    indices = torch.full((1, 4, 4), 3)
    with torch.no_grad():
        state = net.state(*torch.ones(3, 1))
        reals = net.encode(net.analyse(to_batch(scene(64, 64)), state), indices, state)
    assert torch.equal(trial.refine(reals, indices, 2), reals)


def test_blocks_that_nobody_sees_are_silenced():
    """A picture 72 pixels wide is sent as one of 96: the last of its six blocks a row is all padding."""
    trial = RefinementTrial(codec()._net, to_batch(scene(64, 72)), 64, 72, 5.0)
    visible = trial._visible(torch.ones(1, 2, 4, 6))
    assert visible[..., :5].eq(1).all() and visible[..., 5].eq(0).all()


@pytest.mark.parametrize("seed", range(3))
def test_of_several_rate_maps_the_best_seen_is_taken(seed):
    """Never a worse one than the plain transmitter's, in the trial by which it chooses."""
    road, picture, budget = codec(), scene(128, 128, seed), 983
    net, layout = road._net, Layout.of(128, 128, CONFIG)
    trial = RefinementTrial(net, to_batch(picture), 128, 128, 8.0)
    with torch.no_grad():
        sender = net.state(torch.tensor([8.0]), torch.tensor([budget / (4 * layout.entries)]), torch.ones(1))
        latent = net.analyse(to_batch(picture), sender)
        bits = pool(net.information(latent)[0])[0]
        plans = [road._plan(bits, layout, budget, 8.0), *road._other_plans(bits, layout, budget, 8.0)]
        maps = [to_blocks(plan.indices) for plan in plans]
        tried = [(net.encode(latent, indices, sender), indices) for indices in maps]
    assert len(plans) == 4
    scores = [trial.score(*one) for one in tried]
    assert trial.best(tried) == scores.index(min(scores))
    for plan in plans:
        head = layout.header_symbols(plan.kind, plan.mode)
        assert head + symbols_of(plan.indices, CONFIG.rates) <= budget


def test_below_three_decibels_no_rate_map_is_tried():
    """It would need a header, and a lost header loses the picture."""
    coded = refining(1).encode(scene(128, 128), max_symbols=983, snr_db=2.0)
    assert coded.length % KINDS < EVEN_KINDS


def test_a_negative_number_of_steps_is_refused():
    with pytest.raises(ConfigError, match="refine_steps is -1"):
        codec().refined(-1)


def test_the_shipped_network_gains_by_refining():
    """Twelve steps bring 0.2 dB on photographs at 5 dB, and six most of that."""
    data = pytest.importorskip("skimage.data")
    picture = np.ascontiguousarray(data.coffee()[100:228, 200:328])
    plain, refined = shipped(), shipped().refined(6)
    errors = [
        mean_error(road.encode(picture, max_symbols=983, snr_db=5.0), picture, 5.0, plain) for road in (plain, refined)
    ]
    assert 10 * math.log10(errors[0] / errors[1]) > 0.1
