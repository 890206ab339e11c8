from __future__ import annotations

import pytest
import torch

from lgvsc.nets.centernet import CenterNet, _doubled, read_maps


def test_maps_are_a_quarter_of_the_picture() -> None:
    middles, sides = CenterNet.tiny(kinds=5)(torch.rand(2, 3, 64, 96) * 255)
    assert middles.shape == (2, 5, 16, 24)
    assert sides.shape == (2, 4, 16, 24)
    assert ((middles >= 0) & (middles <= 1)).all()


def test_sides_that_are_no_multiples_of_the_stride_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        CenterNet.tiny()(torch.zeros(1, 3, 60, 64))


def test_the_full_network_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in CenterNet().parameters()) == 2_014_924


def test_a_peak_becomes_a_box_and_its_neighbours_do_not() -> None:
    middles, sides = torch.zeros(1, 2, 8, 8), torch.ones(1, 4, 8, 8)
    middles[0, 1, 3, 5], middles[0, 1, 3, 4] = 0.9, 0.8
    sides[0, :, 3, 5] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    best, second = read_maps(middles, sides, most=2)[0]
    assert (best.kind, best.box) == (1, (19.0, 10.0, 23.0, 16.0))
    assert best.score == pytest.approx(0.9)
    assert second.score == 0.0


def test_kinds_that_are_nowhere_likely_are_passed_over_and_nothing_else_changes() -> None:
    middles, sides = torch.rand(2, 7, 12, 10, generator=torch.Generator().manual_seed(0)), torch.rand(2, 4, 12, 10)
    middles[:, 2:5] *= 0.6
    every = read_maps(middles, sides, most=300)
    some = read_maps(middles, sides, most=300, least_score=0.7)
    assert [[one for one in found if one.score >= 0.7] for found in some] == [
        [one for one in found if one.score >= 0.7] for found in every
    ]
    assert {one.kind for found in some for one in found if one.score} == {0, 1, 5, 6}
    assert read_maps(middles, sides, least_score=1.1) == [[], []]


def test_doubling_keeps_samples_and_halves_between() -> None:
    x = torch.tensor([[[[0.0, 2.0], [4.0, 6.0]]]])
    assert _doubled(x, -1)[0, 0].tolist() == [[0.0, 1.0, 2.0, 2.0], [4.0, 5.0, 6.0, 6.0]]
    assert _doubled(x, -2)[0, 0].tolist() == [[0.0, 2.0], [2.0, 4.0], [4.0, 6.0], [4.0, 6.0]]
