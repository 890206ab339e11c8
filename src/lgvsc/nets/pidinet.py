"""PiDiNet, the edge detector that draws the sketches of GVSC: a small network of pixel-difference convolutions.

A pixel-difference convolution weighs differences of pixels instead of pixels: a neighbour and the centre (``cd``), a
neighbour and the next one around the ring (``ad``), the outer and the inner ring along a ray (``rd``). Each is linear
in the pixels, so it *is* a plain convolution, whose kernel follows from the weights. That kernel is all that is ever
computed here; ``converted`` stores it.

Source: Su et al., "Pixel Difference Networks for Efficient Edge Detection", ICCV 2021, section 3. Names of modules,
and so of the weights, are those of the authors' public checkpoints.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Kind: TypeAlias = Literal["cv", "cd", "ad", "rd"]
Variant: TypeAlias = Literal["tiny-l", "tiny", "small-l", "small", "large-l", "large"]

BLOCKS = (3, 4, 4, 4)  # in each of the four stages
CARV4: tuple[Kind, ...] = ("cd", "ad", "rd", "cv") * 4  # of the first convolution and the 15 blocks
PLAIN: tuple[Kind, ...] = ("cv",) * 16  # the authors' baseline
MEAN = (0.485, 0.456, 0.406)  # of ImageNet's pictures, which the authors subtract
DEVIATION = (0.229, 0.224, 0.225)


class Sizes(NamedTuple):
    """What a variant is made of.

    Attributes:
        width: Channels of the first stage; the others have two, four and four times as many.
        head: Channels of the dilated convolutions before each side map; 0: neither they nor the attention.
    """

    width: int
    head: int


VARIANTS: dict[str, Sizes] = {
    "tiny-l": Sizes(20, 0),
    "tiny": Sizes(20, 8),
    "small-l": Sizes(30, 0),
    "small": Sizes(30, 12),
    "large-l": Sizes(60, 0),
    "large": Sizes(60, 24),
}


class PiDiNet(nn.Module):
    """Pictures to edge maps.

    Args:
        variant: Size, and whether it has the two modules that ``-l`` (light) variants drop.
        kinds: Of the 16 convolutions, first to last.

    Raises:
        ValueError: No such variant, or not 16 known kinds.

    Example:
        >>> net = PiDiNet("tiny-l").eval()
        >>> net(torch.rand(1, 3, 64, 96)).shape
        torch.Size([1, 1, 64, 96])
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, variant: Variant = "tiny-l", kinds: Sequence[Kind] = CARV4) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"no PiDiNet is called {variant!r}; there are {', '.join(VARIANTS)}")
        self._build(VARIANTS[variant], kinds)
        self.variant: str = variant

    def _build(self, sizes: Sizes, kinds: Sequence[Kind]) -> None:
        if len(kinds) != len(CARV4) or not set(kinds) <= set(PADDING):
            raise ValueError(f"PiDiNet needs {len(CARV4)} kinds out of {', '.join(PADDING)}, got {list(kinds)}")
        self.variant, self.sizes, self.kinds = "", sizes, tuple(kinds)
        widths = [sizes.width * factor for factor in (1, 2, 4, 4)]
        self.init_block = PixelDifferenceConv(3, widths[0], kinds[0])
        remaining = iter(kinds[1:])
        width = widths[0]
        for stage, (blocks, out) in enumerate(zip(BLOCKS, widths, strict=True), 1):
            for place in range(1, blocks + 1):
                opens = place == 1 and stage > 1
                self.add_module(f"block{stage}_{place}", Block(width, out, next(remaining), opens=opens))
                width = out
        head = sizes.head
        self.conv_reduces = nn.ModuleList(Reduce(head or width) for width in widths)
        if head:
            self.attentions = nn.ModuleList(Csam(head) for _ in widths)
            self.dilations = nn.ModuleList(Cdcm(width, head) for width in widths)
        self.classifier = nn.Conv2d(len(widths), 1, 1)
        nn.init.constant_(self.classifier.weight, 0.25)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def tiny(cls) -> Self:
        """A network of a few hundred parameters with every kind of module, for tests."""
        net = cls.__new__(cls)
        nn.Module.__init__(net)
        net._build(Sizes(2, 2), CARV4)
        return net

    def forward(self, rgb: Tensor) -> Tensor:
        """The edge map, ``(N, 1, H, W)`` in [0, 1], 1 on an edge; ``rgb`` is ``(N, 3, H, W)`` in [0, 1]."""
        return torch.sigmoid(self.logits(rgb)[-1])

    def logits(self, rgb: Tensor) -> list[Tensor]:
        """The four side maps and the fused one before the sigmoid, each ``(N, 1, H, W)``. Sizes from 8 pixels."""
        features = self.init_block((rgb - self.mean) / self.deviation)
        sides = []
        for stage, blocks in enumerate(BLOCKS):
            for place in range(1, blocks + 1):
                features = self.get_submodule(f"block{stage + 1}_{place}")(features)
            seen = features
            if self.sizes.head:
                seen = self.attentions[stage](self.dilations[stage](seen))
            side = self.conv_reduces[stage](seen)
            sides.append(F.interpolate(side, rgb.shape[2:], mode="bilinear", align_corners=False))
        return [*sides, self.classifier(torch.cat(sides, 1))]

    def converted(self) -> Self:
        """The same network with plain convolutions only: equal output, and no kernels to work out."""
        net = type(self).__new__(type(self))
        nn.Module.__init__(net)
        net._build(self.sizes, self.kinds)
        net.variant = self.variant
        net.load_state_dict(self.state_dict())
        for module in net.modules():
            if isinstance(module, PixelDifferenceConv):
                module.convert()
        return net.to(self.classifier.weight.device).train(self.training)

    def load_upstream(self, path: str | Path) -> Self:
        """Read a checkpoint of the authors, or any other with these names; every name and shape must fit.

        Args:
            path: A ``.pth`` file: weights by name, possibly under ``state_dict`` and with names that begin ``module.``.
                Nothing but tensors and plain values is unpickled.

        Returns:
            This network.

        Raises:
            ValueError: The file is none, or its weights are those of another network.
        """
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError) as error:
            raise ValueError(f"{path} is not a checkpoint of plain weights: {error}") from error
        weights = plain_names(stored)
        try:
            self.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(f"{path} does not hold the weights of PiDiNet {self.variant!r}: {error}") from error
        return self


def plain_names(stored: Any) -> dict[str, Tensor]:
    """Weights by name out of a checkpoint, without the prefix that training on several devices adds.

    Raises:
        ValueError: There are none.
    """
    while isinstance(stored, Mapping) and isinstance(stored.get("state_dict"), Mapping):
        stored = stored["state_dict"]
    if not isinstance(stored, Mapping) or not stored or not all(isinstance(v, Tensor) for v in stored.values()):
        raise ValueError("the checkpoint holds no weights by name")
    return {str(name).removeprefix("module."): value for name, value in stored.items()}


PADDING: Final[dict[str, int]] = {"cv": 1, "cd": 1, "ad": 1, "rd": 2}
BEFORE = (3, 0, 1, 6, 4, 2, 7, 8, 5)  # the cell of a 3 x 3 kernel from which a weight of ``ad`` is taken away
OUTER = (0, 2, 4, 10, 14, 20, 22, 24)  # cells of a 5 x 5 kernel, in the order of the weights 1 to 8 of ``rd``
INNER = (6, 7, 8, 11, 13, 16, 17, 18)


class PixelDifferenceConv(nn.Module):
    """A 3 x 3 convolution over differences of pixels, stride 1, no bias, the size kept.

    Args:
        inputs, outputs: Channels.
        kind: Which differences.
        groups: ``inputs`` makes it depthwise.
    """

    def __init__(self, inputs: int, outputs: int, kind: Kind, groups: int = 1) -> None:
        super().__init__()
        self.kind: str = kind
        self.groups = groups
        self.is_plain = False
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, 3, 3))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight if self.is_plain else plain_kernel(self.weight, self.kind)
        return F.conv2d(x, kernel, padding=PADDING[self.kind], groups=self.groups)

    def convert(self) -> None:
        """Keep the plain kernel in place of the weights."""
        self.weight = nn.Parameter(plain_kernel(self.weight, self.kind).detach())
        self.is_plain = True


def plain_kernel(weight: Tensor, kind: str) -> Tensor:
    """The plain convolution kernel that equals a pixel-difference convolution.

    Args:
        weight: ``(outputs, inputs, 3, 3)``.
        kind: ``cv``, ``cd``, ``ad`` or ``rd``.

    Returns:
        ``(outputs, inputs, 3, 3)``, for ``rd`` ``(outputs, inputs, 5, 5)``.

    Source: Su et al. 2021, Eq. (2) and Fig. 3: y = sum of w_i (x_i - x'_i) over pairs of pixels.
    """
    flat = weight.flatten(2)
    if kind == "cd":
        centre = torch.zeros(9, dtype=weight.dtype, device=weight.device)
        centre[4] = 1
        return (flat - flat.sum(2, keepdim=True) * centre).view_as(weight)
    if kind == "ad":
        return (flat - flat[..., list(BEFORE)]).view_as(weight)
    if kind == "rd":
        around = flat[..., 1:]  # the first weight has no pair
        kernel = weight.new_zeros(*weight.shape[:2], 25)
        kernel[..., list(OUTER)] = around
        kernel[..., list(INNER)] = -around
        return kernel.view(*weight.shape[:2], 5, 5)
    return weight


class Block(nn.Module):
    """Depthwise pixel-difference convolution, ReLU, 1 x 1 convolution, beside a shortcut; pooled first if it opens."""

    def __init__(self, inputs: int, outputs: int, kind: Kind, *, opens: bool) -> None:
        super().__init__()
        self.opens = opens
        if opens:
            self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.conv1 = PixelDifferenceConv(inputs, inputs, kind, groups=inputs)
        self.conv2 = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.opens:
            x = F.max_pool2d(x, 2)
        out: Tensor = self.conv2(F.relu(self.conv1(x)))
        return out + (self.shortcut(x) if self.opens else x)


class Cdcm(nn.Module):
    """Compact dilation convolution module: context from four dilated convolutions, added up (section 3.3)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 1)
        nn.init.zeros_(self.conv1.bias)  # type: ignore[arg-type]
        for place, step in enumerate((5, 7, 9, 11), 1):
            dilated = nn.Conv2d(outputs, outputs, 3, dilation=step, padding=step, bias=False)
            self.add_module(f"conv2_{place}", dilated)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(F.relu(x))
        return torch.stack([self.get_submodule(f"conv2_{place}")(x) for place in range(1, 5)]).sum(0)


class Csam(nn.Module):
    """Compact spatial attention module: one weight in (0, 1) for each place (section 3.3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4, 1)
        self.conv2 = nn.Conv2d(4, 1, 3, padding=1, bias=False)
        nn.init.zeros_(self.conv1.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv2(self.conv1(F.relu(x))))


class Reduce(nn.Module):
    """Features to one map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out
