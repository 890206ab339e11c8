"""What making video costs; see ``world.py --speed``."""

from __future__ import annotations

import importlib.util
import resource
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from lgvsc import build
from lgvsc.config import load_config
from lgvsc.core.interfaces import Conditions, WorldModel
from lgvsc.core.message import Motion
from lgvsc.core.video import VideoFormat
from lgvsc.errors import MissingResourceError
from lgvsc.models.catalog import catalog
from lgvsc.nets.opensora_vae import OpenSoraVAE, latent_frames
from lgvsc.nets.stdit3 import STDiT3
from lgvsc.world.backends.opensora.cost import TRANSFORMER_PARAMETERS, VAE_PARAMETERS, WORDS, clip_cost

FPS = 24
SIZES = ((144, 256, 17), (256, 256, 17), (256, 256, 51), (240, 426, 51))


LENGTHS = (8, 24, 64)  # of segments, in frames

Clock = Callable[[], float]


def speed(models: dict[str, WorldModel]) -> None:
    """Every back end that runs here, then Open-Sora's port by arithmetic and beside the release."""
    print(f"\n256x256 at {FPS} fps, both keyframes given, one thread; processor seconds per second of video")
    lengths = "".join(f"{f'{frames} frames':>11}" for frames in LENGTHS)
    print(f"{'':<26}{lengths}{'ms/frame at 24':>16}{'MiB':>8}")
    for name, model in models.items():
        print(costs(name, model, time.process_time, repeats=3))
    print("large ones, by the clock on the wall, with the preset's settings:")
    for name, large in fetched():
        seconds(large, 1, time.perf_counter)  # reads the weights
        print(costs(name, large, time.perf_counter, repeats=1))
    opensora_arithmetic()
    beside_the_release()


def fetched() -> Iterator[tuple[str, WorldModel]]:
    """The large world models whose weights are on this machine; the others are named."""
    for card in catalog().values():
        if card.role == "world_model" and not card.shipped:
            try:
                yield card.name, build.video_model(load_config("compact", settings={"models.world_model": card.name}))
            except MissingResourceError:
                print(f"{card.name:<26}  its weights are not here")


def costs(name: str, model: WorldModel, clock: Clock, repeats: int) -> str:
    """A row of the table."""
    best = [min(seconds(model, frames, clock) for _ in range(repeats)) for frames in LENGTHS]
    told = "".join(f"{spent * FPS / frames:>11.2f}" for spent, frames in zip(best, LENGTHS, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{name:<26}{told}{1000 * best[1] / LENGTHS[1]:>16.1f}{peak:>8.0f}"


def seconds(model: WorldModel, frames: int, clock: Clock) -> float:
    """Time of one segment of two blurred noise pictures, which is no easier than video."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    conditions = Conditions(
        video=VideoFormat(256, 256, Fraction(FPS)),
        start=0,
        stop=frames,
        first=coarse[0],
        last=coarse[1],
        last_index=frames,
        caption="large smooth blue area at top",
        motion=Motion(score=3.0, pan=0.05),
        cut=None,
        latent_frames=model.latent_frames(frames),
        seed=0,
    )
    before = clock()
    for _ in model.generate(conditions):
        pass
    return clock() - before


def opensora_arithmetic() -> None:
    """Operations that the port does, counted by PyTorch on tensors without contents, beside the layer arithmetic."""
    with torch.device("meta"):
        net, vae = STDiT3(), OpenSoraVAE()
    counts = [sum(p.numel() for p in part.parameters()) for part in (net, vae)]
    print(f"\nOpen-Sora 1.2, this port: {counts[0]:,} parameters (published {TRANSFORMER_PARAMETERS:,}), autoencoder")
    told = " and ".join(f"{2e-9 * count:.1f} GB" for count in counts)
    print(f"{counts[1]:,} (published {VAE_PARAMETERS:,}); in bfloat16 {told}, by the specification 2.4 and 0.8")
    print(f"{'size and frames':<20}{'tokens':>8}{'counted TFLOP a call':>22}{'arithmetic':>12}{'PFLOP a clip':>14}")
    for height, width, frames in SIZES:
        sizes = {"fps": torch.ones(1), "height": torch.ones(1), "width": torch.ones(1)}
        latent = (1, 4, latent_frames(frames), height // 8, width // 8)
        with torch.device("meta"):
            inputs = (torch.empty(latent), torch.empty(1), torch.empty(1, 1, WORDS, 4096))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(*inputs, **sizes)
        cost = clip_cost(height, width, frames)
        what = f"{height}x{width}, {frames}"
        counted, expected = counter.get_total_flops() / 1e12, cost.flop_per_call / 1e12
        print(f"{what:<20}{cost.tokens:>8}{counted:>22.2f}{expected:>12.2f}{cost.flop / 1e15:>14.2f}")


def beside_the_release() -> None:
    """One small network, the same weights, in the release and here: difference and seconds."""
    if importlib.util.find_spec("opensora") is None:
        print("\nThe release (package opensora, tag v1.2.0) is not installed here, so nothing runs beside it.")
        return
    from opensora.models.stdit.stdit3 import STDiT3 as Release
    from opensora.models.stdit.stdit3 import STDiT3Config

    small: dict[str, Any] = {"depth": 4, "hidden_size": 288, "num_heads": 4, "caption_channels": 64}
    small |= {"model_max_length": 30}
    torch.manual_seed(0)
    ours = STDiT3(**small, qk_norm=True).eval()
    theirs = Release(STDiT3Config(**small, qk_norm=True, enable_flash_attn=False, enable_layernorm_kernel=False)).eval()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x, y = torch.randn(2, 4, 5, 18, 32), torch.randn(2, 1, 30, 64)
    given = {"mask": torch.ones(1, 30, dtype=torch.int64), "fps": torch.tensor([24.0])}
    given |= {"height": torch.tensor([144.0]), "width": torch.tensor([256.0])}
    outs, spent = [], []
    with torch.inference_mode():
        for net in (theirs, ours):
            net(x, torch.tensor([500.0, 500.0]), y, **given)  # warm
            before = time.perf_counter()
            outs.append(net(x, torch.tensor([500.0, 500.0]), y, **given))
            spent.append(time.perf_counter() - before)
    print(f"\nbeside the release: largest difference {float((outs[0] - outs[1]).abs().max()):.1e}, ", end="")
    print(f"seconds a call {spent[0]:.3f} there and {spent[1]:.3f} here")
