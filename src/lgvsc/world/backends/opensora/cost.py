"""What Open-Sora 1.2 costs, by arithmetic: operations and bytes, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from lgvsc.nets.opensora_vae import SPATIAL_STRIDE, latent_frames

DEPTH, WIDTH, MLP_RATIO = 28, 1152, 4  # of the published transformer
TRANSFORMER_PARAMETERS = 1_207_643_972
VAE_PARAMETERS = 83_653_863 + 309_687_144
TEXT_PARAMETERS = 4_760_000_000  # about
WORDS = 100  # tokens of a caption of a few sentences


@dataclass(frozen=True, slots=True)
class ClipCost:
    """What one clip costs.

    Attributes:
        tokens: That the transformer sees.
        flop_per_call: Of one network call on caption or null caption; a multiplication and its addition are two.
        flop: Of all calls.
    """

    tokens: int
    flop_per_call: float
    flop: float


def clip_cost(height: int, width: int, frames: int, steps: int = 30, words: int = WORDS) -> ClipCost:
    """The transformer's operations for a clip; the autoencoders' come on top.

    Args:
        height, width: Of the pictures that are made.
        frames: Of the clip.
        steps: Each calls the network twice.
        words: Tokens of the caption.
    """
    rows, columns = (-(-(side // SPATIAL_STRIDE) // 2) for side in (height, width))
    places, time = rows * columns, latent_frames(frames)
    tokens = places * time
    # Query, key, value and output of both attentions, the MLP, per token and block; then keys and values of the words.
    linear = 2 * (3 + 1 + 1 + 1 + 2 * MLP_RATIO) * WIDTH**2 * tokens + 2 * 2 * WIDTH**2 * words
    attention = 4 * WIDTH * tokens * (places + time + 2 * words)  # one block of each kind
    call = float(DEPTH * (2 * linear + attention))
    return ClipCost(tokens, call, 2 * steps * call)


def weights_gb(precision_bytes: int, text_bytes: int) -> tuple[float, float]:
    """10^9 bytes of the video networks and of the text encoder, at so many bytes per value."""
    return (TRANSFORMER_PARAMETERS + VAE_PARAMETERS) * precision_bytes / 1e9, TEXT_PARAMETERS * text_bytes / 1e9
