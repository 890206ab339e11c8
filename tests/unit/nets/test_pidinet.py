"""PiDiNet against its paper's definitions and the layout of the public checkpoints."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lgvsc.nets.pidinet import CARV4, DEVIATION, MEAN, PLAIN, VARIANTS, PiDiNet, PixelDifferenceConv, plain_kernel

# Parameters of the authors' published models (their Table 5), counted in the checkpoints themselves.
PUBLISHED = {
    "large": 710_149,
    "large-l": 611_289,
    "small": 183_763,
    "small-l": 158_949,
    "tiny": 84_477,
    "tiny-l": 73_369,
}

RING = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0), (0, 1), (1, -1), (1, 0), (1, 1)]  # weights 0 to 8, (down, right)
CLOCKWISE = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]


def tiny() -> PiDiNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PiDiNet.tiny().eval()


def at(x: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Every pixel's neighbour at an offset, zero outside the picture."""
    height, width = x.shape[2:]
    return F.pad(x, (2, 2, 2, 2))[..., 2 + down : 2 + down + height, 2 + right : 2 + right + width]


def differences(x: torch.Tensor, weight: torch.Tensor, kind: str) -> torch.Tensor:
    """The paper's sums of weighted pixel pairs, one pair after the other, for one channel."""
    total = torch.zeros_like(x)
    for number, (down, right) in enumerate(RING):
        if kind == "cd":
            pair = at(x, down, right) - at(x, 0, 0)
        elif kind == "rd":
            if number == 0:
                continue
            # Along each ray of the figure; the published code numbers rays as the cells of the ring, row by row.
            down, right = [offset for offset in RING if offset != (0, 0)][number - 1]
            pair = at(x, 2 * down, 2 * right) - at(x, down, right)
        else:
            if (down, right) == (0, 0):
                continue
            # Each weight multiplies its own pixel minus the next one clockwise.
            following = CLOCKWISE[(CLOCKWISE.index((down, right)) + 1) % 8]
            pair = at(x, down, right) - at(x, *following)
        total = total + weight[number] * pair
    return total


@pytest.mark.parametrize("kind", ["cd", "ad", "rd"])
def test_kernels_compute_the_papers_differences(kind):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 1, 12, 15, generator=generator, dtype=torch.float64)
    conv = PixelDifferenceConv(1, 1, kind).double()
    with torch.no_grad():
        torch.testing.assert_close(conv(x), differences(x, conv.weight.detach().flatten(), kind))


@pytest.mark.parametrize("kind", ["cd", "ad", "rd"])
def test_a_flat_picture_has_no_differences(kind):
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain_kernel(weight, kind).sum((2, 3)), torch.zeros(4, 3), atol=1e-5, rtol=0)


def test_kernels_are_those_that_were_checked_against_the_authors_code():
    """Weights 1 to 9 (w0 is 1) and the kernels that the authors' converted network computes with."""
    weight = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    assert plain_kernel(weight, "cv").flatten().tolist() == list(range(1, 10))
    assert plain_kernel(weight, "cd").flatten().tolist() == [1, 2, 3, 4, 5 - 45, 6, 7, 8, 9]
    assert plain_kernel(weight, "ad").flatten().tolist() == [
        1 - 4, 2 - 1, 3 - 2,
        4 - 7, 0, 6 - 3,
        7 - 8, 8 - 9, 9 - 6,
    ]  # fmt: skip
    assert plain_kernel(weight, "rd").flatten().tolist() == [
        2, 0, 3, 0, 4,
        0, -2, -3, -4, 0,
        5, -5, 0, -6, 6,
        0, -7, -8, -9, 0,
        7, 0, 8, 0, 9,
    ]  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_sizes_are_the_published_ones(variant):
    net = PiDiNet(variant)
    assert sum(p.numel() for p in net.parameters()) == PUBLISHED[variant]
    assert len(net.state_dict()) == (47 if variant.endswith("-l") else 83)


def test_names_and_shapes_are_those_of_the_public_checkpoints():
    shapes = {name: tuple(value.shape) for name, value in PiDiNet("large").state_dict().items()}
    expected = {"init_block.weight": (60, 3, 3, 3), "classifier.weight": (1, 4, 1, 1), "classifier.bias": (1,)}
    widths = (60, 120, 240, 240)
    for stage, (blocks, width) in enumerate(zip((3, 4, 4, 4), widths, strict=True), 1):
        before = widths[max(0, stage - 2)]
        for place in range(1, blocks + 1):
            into = before if place == 1 else width
            expected[f"block{stage}_{place}.conv1.weight"] = (into, 1, 3, 3)
            expected[f"block{stage}_{place}.conv2.weight"] = (width, into, 1, 1)
        if stage > 1:
            expected[f"block{stage}_1.shortcut.weight"] = (width, before, 1, 1)
            expected[f"block{stage}_1.shortcut.bias"] = (width,)
        index = stage - 1
        expected[f"conv_reduces.{index}.conv.weight"] = (1, 24, 1, 1)
        expected[f"conv_reduces.{index}.conv.bias"] = (1,)
        expected[f"attentions.{index}.conv1.weight"] = (4, 24, 1, 1)
        expected[f"attentions.{index}.conv1.bias"] = (4,)
        expected[f"attentions.{index}.conv2.weight"] = (1, 4, 3, 3)
        expected[f"dilations.{index}.conv1.weight"] = (24, width, 1, 1)
        expected[f"dilations.{index}.conv1.bias"] = (24,)
        for branch in range(1, 5):
            expected[f"dilations.{index}.conv2_{branch}.weight"] = (24, 24, 3, 3)
    assert shapes == expected
    light = PiDiNet("large-l").state_dict()
    assert light["conv_reduces.2.conv.weight"].shape == (1, 240, 1, 1)
    assert not [name for name in light if name.startswith(("attentions", "dilations"))]


def test_layers_have_the_kinds_and_dilations_of_carv4():
    net = PiDiNet("tiny")
    kinds = [module.kind for module in net.modules() if isinstance(module, PixelDifferenceConv)]
    assert kinds == list(CARV4) == ["cd", "ad", "rd", "cv"] * 4
    assert net.block1_1.conv1.kind == "ad" and net.block4_4.conv1.kind == "cv"
    steps = [net.dilations[0].get_submodule(f"conv2_{branch}").dilation for branch in range(1, 5)]
    assert steps == [(5, 5), (7, 7), (9, 9), (11, 11)]


@pytest.mark.parametrize("variant", ["tiny-l", "tiny"])
def test_the_converted_network_gives_the_same(variant):
    with torch.random.fork_rng():
        torch.manual_seed(2)
        net = PiDiNet(variant).eval()
        x = torch.rand(2, 3, 49, 70)
    plain = net.converted()
    kernels = [m for m in plain.modules() if isinstance(m, PixelDifferenceConv)]
    assert all(m.is_plain for m in kernels) and kernels[2].weight.shape[2:] == (5, 5)
    with torch.no_grad():
        torch.testing.assert_close(plain(x), net(x), atol=1e-5, rtol=0)
        before = plain(x)
        net.init_block.weight += 1  # the two share nothing
        assert torch.equal(plain(x), before)


@pytest.mark.parametrize("size", [(64, 96), (33, 57), (16, 16)])
def test_edge_maps_have_the_size_of_the_picture_and_lie_between_0_and_1(size):
    with torch.no_grad():
        edges = tiny()(torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)))
    assert edges.shape == (2, 1, *size)
    assert edges.min() >= 0 and edges.max() <= 1


def test_the_picture_is_normalised_as_imagenet():
    """A picture of ImageNet's mean colour is zero to the network: without biases in front nothing comes through."""
    net = tiny()
    seen = []
    net.init_block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        net(torch.tensor(MEAN).view(1, 3, 1, 1).expand(1, 3, 16, 16))
        net((torch.tensor(MEAN) + torch.tensor(DEVIATION)).view(1, 3, 1, 1).expand(1, 3, 16, 16))
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, 16, 16), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen[1], torch.ones(1, 3, 16, 16), atol=1e-5, rtol=0)


def test_the_fused_map_is_the_classifier_on_the_side_maps():
    net = tiny()
    x = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        *sides, fused = net.logits(x)
        assert len(sides) == 4 and all(side.shape == (1, 1, 24, 24) for side in sides)
        weight, bias = net.classifier.weight.flatten(), net.classifier.bias
        expected = sum(w * side for w, side in zip(weight, sides, strict=True)) + bias
        torch.testing.assert_close(fused, expected)
        torch.testing.assert_close(net(x), torch.sigmoid(expected))


def test_attention_weighs_what_came_in_not_what_relu_left_of_it():
    net = tiny()
    csam = net.attentions[0]
    x = -torch.ones(1, 2, 5, 5)
    with torch.no_grad():
        out = csam(x)
    assert (out < 0).all() and (out > -1).all()


@pytest.mark.parametrize("form", ["plain", "module.", "nested", "nested module."])
def test_public_checkpoints_load_in_every_form(tmp_path, form):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        source = PiDiNet("tiny-l")
    stored = {("module." if "module." in form else "") + name: v for name, v in source.state_dict().items()}
    torch.save({"epoch": 19, "state_dict": stored} if "nested" in form else stored, tmp_path / "a.pth")
    net = PiDiNet(variant="tiny-l").load_upstream(tmp_path / "a.pth")
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in net.state_dict().items())


def test_a_checkpoint_of_another_network_is_refused_by_name(tmp_path):
    weights = PiDiNet("tiny-l").state_dict()
    torch.save({"state_dict": weights}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="'small-l'"):
        PiDiNet("small-l").load_upstream(tmp_path / "a.pth")
    del weights["classifier.bias"]
    torch.save({"state_dict": weights}, tmp_path / "b.pth")
    with pytest.raises(ValueError, match=r"classifier\.bias"):
        PiDiNet("tiny-l").load_upstream(tmp_path / "b.pth")


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"PK\x03\x04 not a checkpoint")
    torch.save([1, 2], tmp_path / "b.pth")
    torch.save({"state_dict": {"x": "text"}}, tmp_path / "c.pth")
    for name in "abc":
        with pytest.raises(ValueError, match="checkpoint"):
            PiDiNet("tiny-l").load_upstream(tmp_path / f"{name}.pth")


class Malicious:
    def __reduce__(self):
        return (print, ("code ran",))


def test_no_code_in_a_checkpoint_is_run(tmp_path, capsys):
    torch.save({"state_dict": Malicious()}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="plain weights"):
        PiDiNet("tiny-l").load_upstream(tmp_path / "a.pth")
    assert "code ran" not in capsys.readouterr().out


def test_the_authors_baseline_has_plain_convolutions_only():
    net = PiDiNet("tiny", kinds=PLAIN)
    assert all(m.kind == "cv" for m in net.modules() if isinstance(m, PixelDifferenceConv))


def test_unknown_variants_and_kinds_are_refused():
    with pytest.raises(ValueError, match="'huge'"):
        PiDiNet("huge")
    with pytest.raises(ValueError, match="16 kinds"):
        PiDiNet("tiny", kinds=("cd",))
