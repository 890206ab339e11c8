import pytest
import torch

from lgvsc.nets.efficientnet_lite import EfficientNetLite


def test_features_are_means_and_kinds_are_read_from_them() -> None:
    net = EfficientNetLite.tiny(kinds=4)
    with torch.inference_mode():
        features, kinds = net(torch.rand(2, 3, 64, 96) * 255)
        assert torch.allclose(kinds, net.kinds(features))
    assert features.shape == (2, 12) and kinds.shape == (2, 4)
    assert ((features >= 0) & (features <= 6)).all()


def test_the_full_network_has_the_published_number_of_weights() -> None:
    """4,652,008 as published, of which batch normalisation had two for each channel; its offsets are ours."""
    net = EfficientNetLite()
    assert len(net.blocks) == 16
    assert sum(p.numel() for p in net.parameters() if p.ndim > 1) == 4_608_992


def test_sides_that_are_no_multiples_of_the_stride_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        EfficientNetLite.tiny()(torch.zeros(1, 3, 60, 64))
