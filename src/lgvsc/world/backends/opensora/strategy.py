"""Strategy strings of Open-Sora 1.2: which given latents go where in a clip, as its users write them.

Segments of the link do not need them (see :mod:`lgvsc.world.backends.opensora.plan`); recipes that were written for
the release do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, ShapeError

DEFAULTS = ("0", "0", "0", "0", "1", "0")  # fill up what a part leaves out at its end
ALIGN = 5  # latents of a chunk of the autoencoder; the release moves every start to a multiple of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Latents of a reference that are put into the clip.

    Attributes:
        loop: The round in which this happens, where a long video is made round by round.
        reference: Which of the given latent clips.
        reference_start, target_start: First latent there and here; a negative one counts from the end.
        length: Latents, at most; what both clips have bounds it.
        edit: 0: they stay; above, up to 1: they are made anew from that noise level.
    """

    loop: int
    reference: int
    reference_start: int
    target_start: int
    length: int
    edit: float


def read_strategy(text: str) -> tuple[Given, ...]:
    """A strategy such as ``"0;0,1,0,-1,1"``, the first picture and the last; nothing for an empty text.

    Raises:
        ConfigError: A part is not one to six numbers that make sense.
    """
    return tuple(_read_part(part) for part in text.split(";")) if text.strip() else ()


def _read_part(part: str) -> Given:
    numbers = [number.strip() for number in part.split(",")]
    try:
        loop, reference, reference_start, target_start, length = map(int, [*numbers, *DEFAULTS[len(numbers) :]][:5])
        edit = float([*numbers, *DEFAULTS[len(numbers) :]][5])
        understood = len(numbers) <= len(DEFAULTS)
    except ValueError:
        understood = False
    if not understood or min(loop, reference) < 0 or length < 1 or not 0 <= edit <= 1:
        raise ConfigError(
            f"{part!r} is no part of a strategy: up to six numbers, loop, reference, reference start, target start, "
            "length, edit, where loop and reference are 0 or more, length 1 or more and edit in [0, 1]"
        )
    return Given(
        loop=loop,
        reference=reference,
        reference_start=reference_start,
        target_start=target_start,
        length=length,
        edit=edit,
    )


def as_reference(frames: Sequence[Pixels], height: int, width: int) -> Tensor:
    """Pictures of one size as the autoencoder takes them: scaled until they cover the size, the centre cut out.

    Args:
        frames: A picture alone is a still, which is scaled by PIL's bicubic filter; several are a video, which is
            scaled bilinearly.

    Returns:
        float32 ``(1, 3, n, height, width)`` in [-1, 1], for :meth:`lgvsc.nets.opensora_vae.OpenSoraVAE.encode`.
    """
    rows, columns = frames[0].shape[:2]
    if height / rows > width / columns:
        scaled = (height, round(columns * height / rows))
    else:
        scaled = (round(rows * width / columns), width)
    over = (scaled[0] - height, scaled[1] - width)
    if len(frames) == 1:
        still = Image.fromarray(frames[0]).resize(scaled[::-1], Image.Resampling.BICUBIC)
        pictures = torch.from_numpy(np.array(still, np.float32)).permute(2, 0, 1)[None]
        top, left = (round(excess / 2) for excess in over)
    else:
        pictures = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float()
        pictures = F.interpolate(pictures, scaled, mode="bilinear", align_corners=False)
        top, left = (excess // 2 for excess in over)  # the release rounds stills, not videos
    return (pictures[..., top : top + height, left : left + width] / 127.5 - 1).transpose(0, 1)[None]


def write_given(
    z: Tensor, references: Sequence[Tensor], strategy: Sequence[Given], *, loop: int = 0, align: int | None = ALIGN
) -> tuple[Tensor, Tensor | None]:
    """Put the given latents of one round into a clip.

    Args:
        z: Noise ``(C, T, h, w)``. Not changed.
        references: Latent clips ``(C, T_ref, h, w)``.
        strategy: From :func:`read_strategy`. A later part overwrites an earlier one.
        loop: Which round this is.
        align: Starts are moved to a multiple of it, as the release does with 5; ``None`` leaves them. Mind that a last
            picture at ``-1`` then lands up to four latents early, and in a clip of five latents on the first.

    Returns:
        The clip, and its frame mask ``(T,)`` for :meth:`lgvsc.world.sampler.RectifiedFlow.sample`; ``None`` where
        nothing is given in this round.

    Raises:
        ShapeError: A reference or a place does not exist, or the sizes differ.
    """
    z, mask, written = z.clone(), torch.ones(z.shape[1]), False
    for given in (part for part in strategy if part.loop == loop):
        if given.reference >= len(references):
            raise ShapeError(f"the strategy names reference {given.reference}, but there are {len(references)}")
        source = references[given.reference]
        if (source.shape[0], *source.shape[2:]) != (z.shape[0], *z.shape[2:]):
            raise ShapeError(f"latents of {tuple(source.shape)} do not fit into a clip of {tuple(z.shape)}")
        start = start_of(given.reference_start, source.shape[1], align)
        target = start_of(given.target_start, z.shape[1], align)
        length = min(given.length, z.shape[1] - target, source.shape[1] - start)
        z[:, target : target + length] = source[:, start : start + length].to(z)
        mask[target : target + length] = given.edit
        written = True
    return z, mask if written else None


def start_of(start: int, frames: int, align: int | None) -> int:
    """Where a start lies in a clip of so many latents.

    Raises:
        ShapeError: Outside.
    """
    place = start + frames if start < 0 else start
    if not 0 <= place < frames:
        raise ShapeError(f"latent {start} lies outside a clip of {frames}")
    if align is None:
        return place
    chunk, rest = divmod(place, align)
    return align * (chunk + (rest > align / 2 and chunk < frames // align - 1))
