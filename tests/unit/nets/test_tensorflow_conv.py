import torch

from lgvsc.nets.tensorflow_conv import TensorFlowConv


def test_a_picture_is_seen_as_in_tensorflow() -> None:
    """Of an odd number of pixels the greater part of the padding lies behind: an impulse at the first pixel is seen."""
    stem = TensorFlowConv(3, 8, 3, stride=2)
    torch.nn.init.zeros_(stem.weight)
    torch.nn.init.zeros_(stem.bias)
    stem.weight.data[0, 0, 0, 0] = 1.0
    picture = torch.zeros(1, 3, 32, 32)
    picture[0, 0, 0, 0] = 1.0
    assert stem(picture)[0, 0].argmax() == 0 and stem(picture)[0, 0, 0, 0] == 1.0
