"""Two looks of the compact keyframe code, and all between them.

The faithful end errs least. The vivid end was trained on to look right: grain and edges where the other is smooth. Its
transmitter sends what looks right, its receiver shows it so; what both have, the state of the channel and what each
block is worth, is the same. Either receiver reads what either transmitter sends, best what its own does. The vivid end
is stored as what it differs by, in four bits for most weights.

Source: Wang et al. 2018 (ESRGAN), section 3.4: weights between those of two networks, one trained from the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lgvsc.nets.ntscc import Finish, Ntscc

FINISH = "finish."  # what only the vivid end has ...
FADES = "finish.out."  # ... and its last layer, which would add nothing at look 0
OWN = ("analysis.", "analysis_linear.", "encoder.", "decoder.", "synthesis.", "synthesis_linear.", FINISH)
SCALE = ".scale"
BYTE, NIBBLE = 127, 7  # steps to either side of zero in eight bits and in four
LARGE = 4096  # weights from which a tensor is kept in four bits each
CLIPPED = (1.0, 0.85, 0.7, 0.55)  # shares of a row's largest change that its steps may reach to; the best is taken


def is_of_look(name: str) -> bool:
    """Whether a weight of the network is one end's alone, and differs from look to look."""
    return name.startswith(OWN)


def difference(faithful: Mapping[str, Tensor], vivid: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the vivid end differs by, and under ``NAME.scale`` a step for each row: the first index of the weight.

    Large weights become two steps of four bits to a byte, uint8 ``(rows, half of the columns, rounded up)``. All others
    keep their shape, int8; so do those that only the vivid end has, which differ from nothing.
    """
    packed: dict[str, Tensor] = {}
    for name in filter(is_of_look, vivid):
        delta = vivid[name].float().cpu()
        if name in faithful:
            delta = delta - faithful[name].float().cpu()
        rows = delta.flatten(1) if delta.ndim > 1 else delta[None]
        if name in faithful and delta.numel() >= LARGE and delta.ndim > 1:
            steps, step = in_steps(rows, NIBBLE, CLIPPED)
            packed[name] = pack_nibbles(steps)
        else:
            steps, step = in_steps(rows, BYTE, CLIPPED[:1])
            packed[name] = steps.reshape(delta.shape).contiguous()
        packed[name + SCALE] = step.flatten().contiguous()
    return packed


def in_steps(rows: Tensor, most: int, clipped: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Rows in whole steps, int8 of at most ``most`` to either side, and each row's step, ``(rows, 1)``.

    Args:
        rows: Float, ``(rows, columns)``.
        clipped: Shares of the largest value that the steps may reach to; each row takes what errs least.
    """
    largest = rows.abs().amax(1, keepdim=True)
    tried = [(share * largest / most).clamp(min=1e-12) for share in clipped]
    values = [(rows / step).round().clamp(-most, most) for step in tried]
    errors = torch.stack([(value * step - rows).square().sum(1) for value, step in zip(values, tried, strict=True)])
    best = errors.argmin(0)
    places = torch.arange(len(rows))
    return torch.stack(values)[best, places].to(torch.int8), torch.stack(tried)[best, places]


def pack_nibbles(steps: Tensor) -> Tensor:
    """Two steps from -8 to 7 in a byte: int8 ``(rows, columns)`` to uint8 ``(rows, ceil(columns / 2))``."""
    shifted = torch.nn.functional.pad(steps.to(torch.int16) + 8, (0, steps.shape[1] % 2))
    return (shifted[:, ::2] + 16 * shifted[:, 1::2]).to(torch.uint8).contiguous()


def unpack_nibbles(packed: Tensor, columns: int) -> Tensor:
    """The inverse of :func:`pack_nibbles`, as float."""
    both = torch.stack([packed % 16, packed // 16], dim=2).flatten(1)
    return both[:, :columns].float() - 8


def change_of(packed: Mapping[str, Tensor], name: str, shape: torch.Size) -> Tensor:
    """What a weight of the vivid end differs by.

    Raises:
        RuntimeError: It has another shape.
    """
    steps, step = packed[name], packed[name + SCALE]
    columns = shape[1:].numel() if len(shape) > 1 else shape.numel()
    rows = unpack_nibbles(steps, columns) if steps.dtype == torch.uint8 else steps.float().reshape(len(step), -1)
    return (rows * step[:, None]).reshape(shape)


def at_look(faithful: Mapping[str, Tensor], packed: Mapping[str, Tensor], look: float) -> dict[str, Tensor]:
    """All weights for a look: 0 is the faithful end to the last bit, 1 the vivid one.

    Args:
        faithful: Every weight of the network.
        packed: From :func:`difference`.
        look: In [0, 1].

    Raises:
        KeyError: ``packed`` is of another network.
        ValueError: ``look`` is outside its range.
    """
    if not 0 <= look <= 1:
        raise ValueError(f"look is {look}; it lies between 0 (faithful) and 1 (vivid)")
    weights = dict(faithful)
    for name in (name for name in packed if not name.endswith(SCALE)) if look else ():
        if name in faithful:
            weights[name] = faithful[name].float() + look * change_of(packed, name, faithful[name].shape)
        else:
            change = change_of(packed, name, packed[name].shape)
            weights[name] = look * change if name.startswith(FADES) else change
    return weights


def network_at(net: Ntscc, packed: Mapping[str, Tensor], look: float) -> Ntscc:
    """A network of its own at a look, beside a faithful one; arguments and errors as :func:`at_look`."""
    other = Ntscc(net.config)
    if look and any(name.startswith(FINISH) for name in packed):
        other.finish = Finish(net.config.widths[0])
    other.load_state_dict(at_look(net.state_dict(), packed, look))
    return other
