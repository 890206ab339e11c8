"""Train the compact keyframe code: ``lgvsc train ntscc --data FOLDER --minutes 180 --out FOLDER``.

One network learns all bandwidths and all SNRs at once: every crop of a batch has its own. Two crops in eight take the
digital path, where the latent is rounded (by noise) and its entropy counted; that keeps the entropy model honest,
from which the rates of the other six are computed. Their symbols pass the same channel as in every measurement.

``--look vivid --from-weights FILE`` trains the vivid look instead, from the faithful one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from lgvsc.channel.common import child_generator
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError
from lgvsc.metrics.dists import dists_distance
from lgvsc.metrics.lpips import lpips_distance
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.ssim import ms_ssim_and_ssim
from lgvsc.models.weights import read_network, read_tensors
from lgvsc.nets.ntscc import BLOCK, RATES, Finish, Ntscc, NtsccConfig, allocate, pool, start_from_patches, unpool
from lgvsc.training.arguments import DataFolder, FromWeights, OutFolder, Resume, Trainer
from lgvsc.training.codes.ntscc_batch import (
    BLOCK_VALUES,
    NtsccTraining,
    batch_loss,
    draw_conditions,
    through_channel,
)
from lgvsc.training.codes.ntscc_look import begin_vivid, between, train_look_only, vivid_loss, write_look
from lgvsc.training.loop import TrainingRun
from lgvsc.training.pictures import PicturePool, as_batch, find_sources, read_still, square, training_pictures

SIZES = {
    "compact": NtsccConfig(),
    "large": NtsccConfig(
        latent=256, widths=(80, 160, 240), coder_blocks=3, rates=(*RATES, 128)
    ),  # 13 M parameters, for a GPU
}
LOOKED_AT = 8  # pictures of which LPIPS and DISTS are measured while training goes on
VALIDATED = ((0.01, 10.0), (0.02, 10.0), (0.04, 10.0), (0.02, 5.0), (0.02, 0.0))  # CBR, SNR in dB


def train(
    config: NtsccTraining,
    pictures: PicturePool,
    out: Path,
    *,
    net: Ntscc | None = None,
    validation: Sequence[Pixels] = (),
    resume: Path | None = None,
    from_look: Mapping[str, Tensor] | None = None,
) -> Path:
    """Train, and write ``checkpoint.pt``, ``log.jsonl`` and at the end the averaged weights to ``out``.

    Args:
        config: The recipe.
        pictures: What to train on.
        net: Network to train; ``None``: the compact one, begun from the principal components of the pictures.
        validation: Square pictures that are not trained on.
        resume: Checkpoint to go on from; the log is appended to.
        from_look: A vivid end to go on from, as :func:`lgvsc.nets.ntscc_look.difference` gives it.

    Returns:
        Path of the weights, float16; of the vivid end what it differs by.

    Raises:
        ConfigError: The vivid end begins from no weights.
    """
    if config.look == "vivid" and net is None:
        raise ConfigError("the vivid end begins from the faithful one; give its weights with --from-weights")
    net = net or fresh(config.seed, pictures)
    start = {name: value.detach().clone() for name, value in net.state_dict().items()}
    if config.look == "vivid":
        begin_vivid(net, config.seed, from_look)
    begun = {name: value.detach().clone() for name, value in net.state_dict().items()}
    run = Run(config, net, pictures, validation, out, resume)
    run.run(pictures=len(pictures))
    if config.look == "vivid":
        told = run.progress()
        spent = {"steps": str(told.step), "cpu_s": f"{told.cpu_s:.0f}", "seed": str(told.seed)}
        vivid = between(begun, run.average.tensors, config.of_the_way)
        return write_look(out / "compact-ntscc-vivid.safetensors", start, vivid, **spent)
    return run.write_weights(out / "compact-ntscc.safetensors", config=net.config.to_json())


def fresh(seed: int, pictures: PicturePool, sizes: NtsccConfig | None = None) -> Ntscc:
    """A network that starts as a transform code fitted to the pictures."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Ntscc(sizes)
    crops = pictures.draw(1500, np.random.default_rng((seed, 1)))
    start_from_patches(net, F.pixel_unshuffle(crops, BLOCK).permute(0, 2, 3, 1).reshape(-1, BLOCK_VALUES))
    return net


class Run(TrainingRun[NtsccTraining]):
    """A training run in progress."""

    def __init__(
        self,
        config: NtsccTraining,
        net: Ntscc,
        pictures: PicturePool,
        validation: Sequence[Pixels],
        out: Path,
        resume: Path | None = None,
    ) -> None:
        super().__init__(config, net, out, resume)
        self._codec, self._pictures, self._validation = net, pictures, validation
        if config.look == "vivid":
            train_look_only(net)
        if config.device == "cuda":
            for part in (net.analysis, net.encoder, net.decoder, net.synthesis):
                part.compile()

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        config, choice = self.config, self.choice(step)
        pictures = self._pictures.draw(config.batch, choice).to(config.device)
        batch = pictures.contiguous(memory_format=torch.channels_last)
        wanted = draw_conditions(config, choice).to(config.device)
        with self.autocast():
            if config.look == "vivid":
                return vivid_loss(self._codec, batch, wanted, config, self.noise(step))
            total, losses = batch_loss(self._codec, batch, wanted, config, self.noise(step))
        return total, asdict(losses)

    def measure(self) -> object:
        """Mean quality of the pictures that are not trained on, at each point. On the CPU, wherever training is."""
        if not self._validation:
            return None
        net = self._codec
        if self.config.device != "cpu":
            net = Ntscc(net.config)
            if self._codec.finish is not None:
                net.finish = Finish(net.config.widths[0])
            net.load_state_dict(self._codec.state_dict())
        if self.config.look == "vivid":
            return measure(net, self._validation[:LOOKED_AT], VALIDATED, looks=True)
        return measure(net, self._validation, VALIDATED)


@torch.inference_mode()
def measure(
    net: Ntscc, pictures: Sequence[Pixels], points: Sequence[tuple[float, float]], *, looks: bool = False
) -> list[dict[str, float]]:
    """Mean PSNR, MS-SSIM and, with ``looks``, LPIPS and DISTS at pairs of (CBR, SNR), in float32.

    The rate map and the gain are not charged here.
    """
    results = []
    for cbr, snr_db in points:
        quality: list[dict[str, float]] = []
        for index, picture in enumerate(pictures):
            pixels, spent = sent_and_rebuilt(net, picture, cbr, snr_db, index)
            quality.append(quality_of(picture, pixels, looks=looks) | {"cbr_spent": spent})
        means = {name: round(float(np.mean([one[name] for one in quality])), 5) for name in quality[0]}
        results.append({"cbr": cbr, "snr_db": snr_db, **means, "n": len(pictures)})
    return results


def quality_of(picture: Pixels, rebuilt: Pixels, *, looks: bool) -> dict[str, float]:
    """What one picture is worth."""
    similarity, _ = ms_ssim_and_ssim(picture, rebuilt)
    figures = {"psnr_db": psnr_db(picture, rebuilt) or 99.0, "ms_ssim": similarity}
    if looks:
        pair = as_batch([rebuilt]), as_batch([picture])
        figures |= {"lpips": float(lpips_distance(*pair)), "dists": float(dists_distance(*pair))}
    return figures


def sent_and_rebuilt(net: Ntscc, picture: Pixels, cbr: float, snr_db: float, index: int) -> tuple[Pixels, float]:
    """What arrives of one picture, and the CBR spent on symbols."""
    batch = as_batch([picture]).contiguous(memory_format=torch.channels_last)
    snr = torch.tensor([snr_db])
    blocks = batch.shape[2] * batch.shape[3] // BLOCK**2
    sender = net.state(snr, torch.tensor([cbr * BLOCK_VALUES]), torch.ones(1))
    latent = net.analyse(batch, sender)
    entries = allocate(pool(net.information(latent)[0])[0], int(cbr * batch.numel()), net.config.rates)
    indices = unpool(entries)[None]
    reals = net.encode(latent, indices, sender)
    noise = child_generator(0, "validation", index, cbr, snr_db)
    arrived, gain = through_channel(reals, net.sent(indices), [snr_db], noise)
    receiver = net.state(snr, net.rates[indices].float().mean((1, 2)), gain)
    power = gain.square() * 10 ** (-snr / 10)
    rebuilt = net.synthesise(net.decode(arrived, indices, receiver, power[:, None, None, None]), receiver)
    pixels = (rebuilt[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return pixels, float(net.rates[indices].sum()) / (blocks * BLOCK_VALUES)


def load_net(path: Path) -> Ntscc:
    """A network from a weights file that :func:`write_weights` made, to train on from there."""
    return read_network(
        path.read_bytes(), "a compact NTSCC", lambda stated: Ntscc(NtsccConfig.from_json(stated["config"]))
    )


def train_on_folder(
    config: NtsccTraining,
    *,
    data: DataFolder,
    out: OutFolder,
    resume: Resume = None,
    from_weights: FromWeights = None,
    from_look: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A vivid end to go on from, beside its faithful one.")
    ] = None,
    size: Annotated[
        Literal["compact", "large"], typer.Option(help="Of a network that begins from nothing.")
    ] = "compact",
) -> Path:
    """Train on what lies under a folder; ``bsds_test``, where it is there, gives 24 pictures for validation."""
    sources = find_sources(data)
    pictures = PicturePool(training_pictures(sources, config.frames_per_clip), config.crop)
    net = load_net(from_weights) if from_weights else None
    if net is None and config.look == "faithful":
        net = fresh(config.seed, pictures, SIZES[size])
    return train(
        config,
        pictures,
        out,
        net=net,
        validation=validation_pictures(data),
        resume=resume,
        from_look=read_tensors(from_look.read_bytes())[0] if from_look else None,
    )


def validation_pictures(data: Path) -> list[Pixels]:
    """Centres of the first 24 pictures, by name, of a ``bsds_test`` folder: short side scaled to 256, 256 x 256."""
    found = sorted(path for path in data.rglob("bsds_test/*") if path.suffix.lower() == ".jpg")
    return [square(read_still(path), 256) for path in found[:24]]


main = Trainer("ntscc", train_on_folder, NtsccTraining(), __doc__)

if __name__ == "__main__":
    main()
