"""Train NTSCC at the size of its paper: ``lgvsc train ntscc-swin --data FOLDER --out FOLDER [--size small]``.

One network for one SNR and one weight of the rate, as in Dai et al. 2022 (and as section III-A of LGVSC trains it:
100,000 frames, batches of 64, 100 epochs). A picture goes through the code over AWGN, and once more rounded, which
keeps the entropies true from which the rates of all positions follow. Every validation measures CBR, PSNR and MS-SSIM
of held-back pictures; hyperprior and rate map are not charged there. The link itself sends by the compact code, which
one network serves at every SNR and rate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import typer
from torch import Tensor

from lgvsc.channel.common import child_generator
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.ssim import ms_ssim_and_ssim
from lgvsc.nets.ntscc_swin import SwinNtscc, SwinNtsccConfig
from lgvsc.training.arguments import DataFolder, OutFolder, Resume, Trainer
from lgvsc.training.codes.ntscc import validation_pictures
from lgvsc.training.codes.ntscc_batch import through_channel
from lgvsc.training.loop import LoopConfig, TrainingRun
from lgvsc.training.pictures import PicturePool, as_batch, find_sources, training_pictures

WEIGHTS = "ntscc-swin.safetensors"
SIZES = {
    "paper": SwinNtsccConfig(),
    "small": SwinNtsccConfig(
        widths=(48, 64, 96, 128), heads=4, hyper=48, coder_depth=2, coder_window=8, rates=(2, 4, 8, 16, 32, 64, 96, 128)
    ),
}
QUARTER = 4  # of the latent's sides stands the hyperprior


@dataclass(frozen=True, slots=True, kw_only=True)
class SwinTraining(LoopConfig):
    """The recipe.

    Attributes:
        rate_weight: Weight of bits per pixel against squared error (8-bit scale), the paper's lambda.
        eta: Reals per bit of information, Eq. (13).
        snr_db: Of the channel; one network serves one.
        frames_per_clip: Training pictures taken from each clip.
    """

    minutes: float = 600.0
    batch: int = 64
    crop: int = 256
    learning_rate: float = 1e-4
    rate_weight: float = 64.0
    eta: float = 0.2
    snr_db: float = 10.0
    frames_per_clip: int = 6

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        if self.rate_weight <= 0 or self.eta <= 0:
            raise ConfigError(f"rate_weight is {self.rate_weight} and eta {self.eta}; both are above zero")


class SwinRun(TrainingRun[SwinTraining]):
    """Training in progress."""

    def __init__(
        self,
        config: SwinTraining,
        net: SwinNtscc,
        pictures: PicturePool,
        validation: Sequence[Pixels],
        out: Path,
        resume: Path | None = None,
    ) -> None:
        granule = QUARTER * net.config.block
        if config.crop % granule:
            raise ConfigError(f"crops have {config.crop} pixels a side; this network needs a multiple of {granule}")
        super().__init__(config, net, out, resume)
        self._codec, self._pictures, self._validation = net, pictures, validation

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        config, net, noise = self.config, self._codec, self.noise(step)
        batch = self._pictures.draw(config.batch, self.choice(step)).to(config.device)
        with self.autocast():
            latent = net.analyse(batch)
        latent = latent.float()
        likelihood, hyper_bits = net.likelihood(latent, noise)
        indices = net.choose_rates(likelihood, config.eta)
        with self.autocast():
            reals = net.encode(latent, likelihood, indices)
        arrived, _ = through_channel(reals.float(), net.sent(indices), [config.snr_db] * len(batch), noise)
        rounded = latent + (latent.round() - latent).detach()
        with self.autocast():
            rebuilt = net.synthesise(net.decode(arrived, indices)).float()
            digital = net.synthesise(rounded).float()
        error, digital_error = (255**2 * (made - batch).square().mean() for made in (rebuilt, digital))
        pixels = batch.shape[2] * batch.shape[3]
        bpp = (hyper_bits.mean() - likelihood.log2().sum((1, 2, 3)).mean()) / pixels
        total = error + digital_error + config.rate_weight * bpp
        cbr = net.rates[indices].float().sum((1, 2)).mean() / (2 * 3 * pixels)
        figures = {"loss": total, "mse": error, "digital_mse": digital_error, "bpp": bpp, "cbr": cbr}
        return total, {name: float(value.detach()) for name, value in figures.items()}

    def measure(self) -> object:
        """Means over the pictures that are not trained on."""
        if not self._validation:
            return None
        rows = [measure_one(self._codec, one, self.config, index) for index, one in enumerate(self._validation)]
        return {name: round(float(np.mean([row[name] for row in rows])), 5) for name in rows[0]} | {"n": len(rows)}


@torch.inference_mode()
def measure_one(net: SwinNtscc, picture: Pixels, config: SwinTraining, index: int = 0) -> dict[str, float]:
    """CBR of the symbols, PSNR in dB and MS-SSIM of a picture ``(H, W, 3)``, its sides multiples of 64."""
    device = next(net.parameters()).device
    batch = as_batch([picture]).to(device)
    latent = net.analyse(batch)
    likelihood, _ = net.likelihood(latent)
    indices = net.choose_rates(likelihood, config.eta)
    seed = child_generator(config.seed, "validation", index, config.snr_db).initial_seed()
    noise = torch.Generator(device).manual_seed(seed)
    reals = net.encode(latent, likelihood, indices)
    arrived, _ = through_channel(reals, net.sent(indices), [config.snr_db], noise)
    rebuilt = net.synthesise(net.decode(arrived, indices))[0].permute(1, 2, 0)
    made = (rebuilt * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    cbr = float(net.rates[indices].sum()) / (2 * batch.numel())
    return {"cbr": cbr, "psnr_db": psnr_db(picture, made) or 99.0, "ms_ssim": ms_ssim_and_ssim(picture, made)[0]}


def train(
    config: SwinTraining,
    pictures: PicturePool,
    out: Path,
    *,
    sizes: SwinNtsccConfig,
    validation: Sequence[Pixels] = (),
    resume: Path | None = None,
) -> Path:
    """Train, and write ``checkpoint.pt``, ``log.jsonl`` and at the end the averaged weights to ``out``."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net = SwinNtscc(sizes)
    run = SwinRun(config, net, pictures, validation, out, resume)
    run.run(pictures=len(pictures), parameters=sum(parameter.numel() for parameter in net.parameters()))
    return run.write_weights(out / WEIGHTS, config=json.dumps(asdict(sizes)))


def train_on_folder(
    config: SwinTraining,
    *,
    data: DataFolder,
    out: OutFolder,
    size: Annotated[Literal["paper", "small"], typer.Option(help="The paper's, or one that a CPU can try.")] = "paper",
    resume: Resume = None,
) -> None:
    """Train on what lies under a folder; ``bsds_test``, where it is there, gives 24 pictures for validation."""
    pool = PicturePool(training_pictures(find_sources(data), config.frames_per_clip), config.crop)
    train(config, pool, out, sizes=SIZES[size], validation=validation_pictures(data), resume=resume)


main = Trainer("ntscc-swin", train_on_folder, SwinTraining(), __doc__)

if __name__ == "__main__":
    main()
