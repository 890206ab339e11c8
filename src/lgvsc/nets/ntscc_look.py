"""Two looks of one receiver of the compact keyframe code, and all between them.

The faithful end errs least. The vivid end was trained on to look right: grain and edges where the other is smooth.
What the transmitter has too is the same in both, so a message does not say which look it will get. The vivid end is
stored as what it differs by, in bytes.

Source: Wang et al. 2018 (ESRGAN), section 3.4: weights between those of two networks, one trained from the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lgvsc.nets.ntscc import Finish, Ntscc

FINISH = "finish."  # what only the vivid end has ...
FADES = "finish.out."  # ... and its last layer, which would add nothing at look 0
OWN = ("decoder.", "synthesis.", "synthesis_linear.", FINISH)  # of the receiver alone
SCALE = ".scale"
STEPS = 127


def is_of_look(name: str) -> bool:
    """Whether a weight of the network is the receiver's alone, and differs from look to look."""
    return name.startswith(OWN)


def difference(faithful: Mapping[str, Tensor], vivid: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the vivid end differs by: an int8 tensor for each weight and, under ``NAME.scale``, a step for each row.

    Weights that only the vivid end has differ from nothing.
    """
    packed: dict[str, Tensor] = {}
    for name in filter(is_of_look, vivid):
        delta = vivid[name].float().cpu()
        if name in faithful:
            delta = delta - faithful[name].float().cpu()
        rows = delta.flatten(1) if delta.ndim > 1 else delta[None]
        step = (rows.abs().amax(1, keepdim=True) / STEPS).clamp(min=1e-12)
        packed[name] = (rows / step).round().to(torch.int8).reshape(delta.shape).contiguous()
        packed[name + SCALE] = step.flatten().contiguous()
    return packed


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
        delta, step = packed[name].float(), packed[name + SCALE]
        rows = delta.flatten(1) if delta.ndim > 1 else delta[None]
        change = (rows * step[:, None]).reshape(delta.shape)
        if name in faithful:
            weights[name] = faithful[name].float() + look * change
        else:
            weights[name] = look * change if name.startswith(FADES) else change
    return weights


def receiver_at(net: Ntscc, packed: Mapping[str, Tensor], look: float) -> Ntscc:
    """A receiver of its own at a look, beside a faithful network; arguments and errors as :func:`at_look`."""
    receiver = Ntscc(net.config)
    if look and any(name.startswith(FINISH) for name in packed):
        receiver.finish = Finish(net.config.widths[0])
    receiver.load_state_dict(at_look(net.state_dict(), packed, look))
    return receiver
