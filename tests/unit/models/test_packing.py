import pytest
import torch

from lgvsc.models.packing import GROUP, pack, unpack


@pytest.mark.parametrize(("bits", "error"), [(8, 0.005), (5, 0.04), (4, 0.08)])
@pytest.mark.parametrize("shape", [(7, 3), (4, 100, 1, 1), (6, 5, 3, 3), (2, GROUP)])
def test_weights_come_back_as_nearly_as_so_many_bits_allow(bits, error, shape) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(bits))
    packed, scales = pack(weight, bits)
    assert packed.numel() == -(-weight.numel() * bits // 8)
    found = unpack(packed, scales, shape, bits)
    assert ((found - weight).square().mean() / weight.square().mean()).sqrt() < 2 * error


def test_sums_of_rows_stay() -> None:
    weight = torch.randn(8, GROUP, generator=torch.Generator().manual_seed(0)) + 0.3
    packed, scales = pack(weight, 4)
    off = (unpack(packed, scales, (8, GROUP), 4) - weight).sum(dim=1).abs()
    assert (off <= 0.51 * scales[:, 0].float() + 1e-3).all()


def test_zeros_stay_zeros() -> None:
    assert not unpack(*pack(torch.zeros(3, 9), 5), (3, 9), 5).any()


def test_other_bytes_are_refused() -> None:
    packed, scales = pack(torch.randn(3, 9), 5)
    for wrong in ((packed[1:], scales), (packed.float(), scales), (packed, scales[1:])):
        with pytest.raises(ValueError, match="in 5 bits"):
            unpack(*wrong, (3, 9), 5)
    with pytest.raises(ValueError, match="2 to 8 bits"):
        pack(torch.randn(3, 9), 9)
