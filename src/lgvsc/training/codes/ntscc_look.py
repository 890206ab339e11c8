"""The vivid end of the compact keyframe code: both its ends are asked to look right, in the same number of symbols.

``--look vivid --from-weights FAITHFUL`` goes on from trained weights, with LPIPS (AlexNet) and DISTS beside the error.
What each end alone has is trained; what both have stays, so either end understands the other of any look. Between both
looks weights are interpolated, see :mod:`lgvsc.nets.ntscc_look`.

Source: Wang et al. 2018 (ESRGAN), section 3.4, for interpolated weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from lgvsc.core.files import atomic_write
from lgvsc.metrics.dists import dists_distance
from lgvsc.metrics.lpips import lpips_distance
from lgvsc.metrics.smooth_ssim import training_ms_ssim
from lgvsc.nets.ntscc import Finish, Ntscc, pool, unpool
from lgvsc.nets.ntscc_look import at_look, difference, is_of_look
from lgvsc.training.codes.ntscc_batch import CropConditions, NtsccTraining, choose_rates, through_channel


def begin_vivid(net: Ntscc, seed: int, packed: Mapping[str, Tensor] | None = None) -> None:
    """Give a faithful network what only the vivid end has, and the weights of one to go on from, if any."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net.finish = Finish(net.config.widths[0])
    if packed is not None:
        net.load_state_dict({**net.state_dict(), **at_look(net.state_dict(), packed, 1.0)})


def train_look_only(net: Ntscc) -> None:
    """Freeze what both ends have, and what says how much each block is worth."""
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(is_of_look(name))


def vivid_loss(
    net: Ntscc, batch: Tensor, wanted: CropConditions, config: NtsccTraining, noise: torch.Generator
) -> tuple[Tensor, Mapping[str, float]]:
    """Loss of the analogue crops of a batch and its parts, for the log; the digital path has no part in this."""
    batch = batch[config.digital_crops :]
    sender = net.state(wanted.believed_snr_db, wanted.symbols, torch.ones_like(wanted.symbols))
    latent = net.analyse(batch, sender)
    with torch.no_grad(), torch.autocast(batch.device.type, enabled=False):
        bits, _ = net.information(latent)
        indices = unpool(choose_rates(pool(bits), wanted, net.config.rates))
        per_block = net.rates[indices].float().mean((1, 2))
    reals = net.encode(latent, indices, sender)
    with torch.autocast(batch.device.type, enabled=False):
        arrived, gain = through_channel(reals.float(), net.sent(indices), wanted.snr_db.tolist(), noise)
    receiver = net.state(wanted.snr_db, per_block, gain)
    power = gain.square() * 10 ** (-wanted.snr_db / 10)
    rebuilt = net.synthesise(net.decode(arrived, indices, receiver, power[:, None, None, None]), receiver).float()
    some = config.dists_crops
    shown = rebuilt + (rebuilt.detach().clamp(0, 1) - rebuilt.detach())  # what is seen is clipped, gradients are not
    look = lpips_distance(shown, batch).float().mean()
    texture = dists_distance(shown[:some], batch[:some]).float().mean()
    with torch.autocast(batch.device.type, enabled=False):
        squared = 255**2 * (rebuilt - batch).square().mean((1, 2, 3))
        similarity = training_ms_ssim(batch, rebuilt).mean()
        total = config.error_weight * (squared + 10).log().mean() + config.similarity_weight * (1 - similarity)
        total = total + config.lpips_weight * look + config.dists_weight * texture
    return total, {
        "psnr_db": float(10 * (255**2 / squared.detach()).log10().mean()),
        "ms_ssim": float(similarity.detach()),
        "lpips": float(look.detach()),
        "dists": float(texture.detach()),
    }


def between(begun: Mapping[str, Tensor], ended: Mapping[str, Tensor], of_the_way: float) -> dict[str, Tensor]:
    """Weights between those that a training began from and those that it ended with."""
    return {name: torch.lerp(begun[name].float(), value.float(), of_the_way) for name, value in ended.items()}


def write_look(path: Path, faithful: Mapping[str, Tensor], vivid: Mapping[str, Tensor], **metadata: str) -> Path:
    """What the vivid end differs by from the faithful one that it began from."""
    with atomic_write(path) as file:
        file.write(save(difference(faithful, vivid), metadata))
    return path
