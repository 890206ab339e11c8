"""Train DVST on clips: ``lgvsc train dvst --data FOLDER --out FOLDER [--kind sketch]``.

Each crop is a run of frames after a keyframe that the keyframe code rebuilt at the crop's SNR, once as the transmitter
reckons and once behind noise. Both ends then go on as in a transmission: the transmitter codes against its own picture,
the receiver rebuilds from its own. At first one frame is coded. Later several are before the gradient is taken, and at
last it is taken through two, so that what a frame's errors do to the next one counts.

A quarter of the crops takes the digital path, where both latents are rounded (by noise) and their entropies counted;
``lambda_`` weighs the rate there, as in the papers. Rates of all others follow from these entropies times eta.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from lgvsc.channel.awgn import awgn
from lgvsc.channel.common import child_generator, pair_reals, unpair
from lgvsc.coding.frames.dvst import receive_frame, transmit_frame
from lgvsc.errors import ConfigError
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.smooth_ssim import training_ms_ssim
from lgvsc.metrics.ssim import ms_ssim_and_ssim
from lgvsc.nets.dvst import (
    BLOCK,
    ENTRY,
    FLOW_GRID,
    PIXELS_PER_UNIT,
    Dvst,
    DvstConfig,
    choose_rates,
    entry_sums,
    start_linear,
    uniform,
    warp,
)
from lgvsc.training.arguments import DataFolder, FromWeights, OutFolder, Resume, Trainer
from lgvsc.training.codes.dvst_windows import Crops, Kind, Windows, draw, material
from lgvsc.training.codes.ntscc_batch import through_channel
from lgvsc.training.loop import LoopConfig, TrainingRun

WEIGHTS: Mapping[Kind, str] = {"rgb": "compact-dvst.safetensors", "sketch": "compact-dvst-sketch.safetensors"}
Tensors = TypeVar("Tensors", "Crops", "Asked")
BLOCK_VALUES = 3 * BLOCK**2  # also of sketches: GVSC relates their symbols to pictures

VALIDATED = ((0.002, 10.0), (0.002, 2.0), (0.004, 10.0))  # CBR of a frame after the keyframe, SNR in dB


@dataclass(frozen=True, slots=True, kw_only=True)
class DvstTraining(LoopConfig):
    """The recipe.

    Attributes:
        lambda_: Weight of the rate (bits per pixel) against squared error (8-bit scale) on the digital path; LGVSC has
            128. It sets how much counts as information; the compact network, made for fewer symbols, takes more.
        digital: How many crops of a batch take the digital path.
        similarity_weight: Weight of 1 - MS-SSIM.
        mismatched: Share of the crops whose transmitter believes a wrong SNR.
        cbr: Range from which each crop's is drawn: symbols of a frame over ``3 H W``.
        most_age: Frames that are coded before the gradient is taken, at most.
        windows_per_clip: Runs of frames taken from each clip.
    """

    minutes: float = 35.0
    lambda_: float = 512.0
    digital: int = 2
    learning_rate: float = 7e-4
    average: float = 0.998
    similarity_weight: float = 5.0
    mismatched: float = 0.15
    cbr: tuple[float, float] = (0.0005, 0.012)
    most_age: int = 5
    windows_per_clip: int = 1

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        if not 0 < self.digital < self.batch:
            raise ConfigError(f"{self.digital} of {self.batch} crops on the digital path; both paths need some")
        if not self.lambda_ > 0:
            raise ConfigError(f"lambda is {self.lambda_}; it is a positive weight of the rate, 128 in LGVSC")
        if self.crop % ENTRY:
            raise ConfigError(f"crop is {self.crop}; it is a multiple of {ENTRY} pixels")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What each crop is asked to do; ``(B,)`` each.

    Attributes:
        reals: Per block.
        snr_db, believed_snr_db: Of the channel, and as the transmitter believes.
        alone: Whether the crop spends its reals within itself; else as a part of a picture of average information.
    """

    reals: Tensor
    snr_db: Tensor
    believed_snr_db: Tensor
    alone: Tensor


def ask(config: DvstTraining, keyframe_snr_db: Tensor, choice: np.random.Generator) -> Asked:
    """Rates log-uniform, SNR about that of the keyframe."""
    count = len(keyframe_snr_db)
    cbr = np.exp(choice.uniform(math.log(config.cbr[0]), math.log(config.cbr[1]), count))
    snr_db = np.clip(keyframe_snr_db.numpy() + choice.normal(0, 1, count), -2, 22)
    off = np.where(choice.random(count) < config.mismatched, choice.normal(0, 5, count), 0.0)
    return Asked(
        torch.from_numpy(2 * BLOCK_VALUES * cbr).float(),
        torch.from_numpy(snr_db).float(),
        torch.from_numpy(np.clip(snr_db + off, -5, 25)).float(),
        torch.arange(count) % 2 == 0,
    )


@dataclass(frozen=True, slots=True, eq=False)
class CodedCrops:
    """A frame of each crop, coded.

    Attributes:
        received: As the receiver rebuilt it, ``(B, colours, H, W)``; of digital crops, from the rounded latent.
        expected: As the transmitter reckons, without gradient.
        bits: Of each digital crop, hyperprior included, ``(digital,)``.
        reals: Sent of each other crop, ``(B - digital,)``.
    """

    received: Tensor
    expected: Tensor
    bits: Tensor
    reals: Tensor


def code_frame(
    net: Dvst,
    picture: Tensor,
    flow: Tensor,
    expected: Tensor,
    received: Tensor,
    asked: Asked,
    digital: int,
    noise: torch.Generator,
    device: str = "cpu",
) -> CodedCrops:
    """One frame of each crop, the first ``digital`` ones rounded, the others over the channel.

    Args:
        expected, received: The frame before it at either end.
    """
    ones, most = torch.ones_like(asked.reals), torch.full_like(asked.reals, float(net.config.rates[-1]))
    some = torch.arange(len(picture), device=device) < digital
    best = torch.full_like(asked.reals, 20.0)
    sender = net.state(torch.where(some, best, asked.believed_snr_db), torch.where(some, most, asked.reals), ones)
    motion = net.analyse_motion(flow, sender)
    with torch.no_grad():  # rates first, as if motion arrived as it is
        context = net.context(expected, net.synthesise_motion(motion, sender))
        motion_bits = net.motion_information(motion)
        bits = entry_sums(net.information(net.analyse(picture, context, sender), context)[0])
        motion_map, rest = rates_of(motion_bits[digital:].float(), bits[digital:].float(), asked, digital, net)
    sent = net.motion_sent(motion_map), net.sent(rest)
    motion_reals = net.encode_motion(motion[digital:], motion_map, sender[digital:])
    counted = net.reals(motion_map, rest)
    per_block = counted / (rest[0].numel() * (ENTRY // BLOCK) ** 2)
    believed = asked.believed_snr_db[digital:]
    guess = net.state(believed, per_block, ones[digital:])
    with torch.autocast(device, enabled=False):
        motion_power = motion_reals.float().square().sum((1, 2, 3)) / sent[0].sum((1, 2, 3)).clamp(min=1)
        motion_bits = net.motion_information(motion[:digital], noise)
        rounded_motion = motion[:digital].float() + uniform(motion[:digital], noise)
    # The transmitter's own context, after the motion's link, without noise.
    with torch.no_grad():
        quiet = (motion_power * 10 ** (-believed / 10))[:, None, None, None]
        told = torch.cat([rounded_motion, net.decode_motion(motion_reals, motion_map, guess, quiet).float()])
        known = torch.cat([sender[:digital], guess])
        context = net.context(expected, net.synthesise_motion(told, known))
    latent = net.analyse(picture, context, sender)
    reals = net.encode(latent[digital:], rest, sender[digital:])
    with torch.autocast(device, enabled=False):
        bits, hyper_bits = net.information(latent[:digital], context[:digital], noise)
        total_bits = motion_bits.sum((1, 2)) + bits.sum((1, 2)) + hyper_bits
        rounded = latent[:digital].float() + uniform(latent[:digital], noise)
        flat = torch.cat([motion_reals.float().flatten(1), reals.float().flatten(1)], 1)[..., None, None]
        mask = torch.cat([sent[0].flatten(1), sent[1].flatten(1)], 1)[..., None, None]
        arrived, gain = through_channel(flat, mask, asked.snr_db[digital:].tolist(), noise)
        split = motion_reals[0].numel()
        arrived_motion = arrived[:, :split].view_as(motion_reals)
        arrived_rest = arrived[:, split:].view_as(reals)
    receiver = torch.cat([sender[:digital], net.state(asked.snr_db[digital:], per_block, gain)])
    n0 = (gain.square() * 10 ** (-asked.snr_db[digital:] / 10))[:, None, None, None]
    heard = net.decode_motion(arrived_motion, motion_map, receiver[digital:], n0)
    heard = torch.cat([rounded_motion.to(heard.dtype), heard])
    seen = net.context(received, net.synthesise_motion(heard, receiver))
    decoded = net.decode(arrived_rest, rest, receiver[digital:], n0)
    rebuilt = net.synthesise(torch.cat([rounded.to(decoded.dtype), decoded]), seen, receiver).float()
    with torch.no_grad():
        at_sender = torch.cat([sender[:digital], net.state(believed, per_block, gain)])
        n0 = (gain.square() * 10 ** (-believed / 10))[:, None, None, None]
        clean = net.decode(reals, rest, at_sender[digital:], n0)
        own = net.synthesise(torch.cat([rounded.to(clean.dtype), clean]), context, at_sender).float().clamp(0, 1)
        own = torch.where(some[:, None, None, None], rebuilt.detach().clamp(0, 1), own)
    return CodedCrops(rebuilt, own, total_bits, counted)


def rates_of(motion_bits: Tensor, bits: Tensor, asked: Asked, digital: int, net: Dvst) -> tuple[Tensor, Tensor]:
    """Rate maps of the crops on the analogue path, from the information of their entries."""
    own = (motion_bits + bits).mean((1, 2), keepdim=True).clamp(min=1e-3)
    per_entry = (asked.reals[digital:] * (ENTRY // BLOCK) ** 2)[:, None, None]
    eta = per_entry / torch.where(asked.alone[digital:, None, None], own, own.mean())
    return choose_rates(motion_bits, bits, eta, net.config)


class DvstRun(TrainingRun[DvstTraining]):
    """Training in progress."""

    def __init__(
        self,
        config: DvstTraining,
        net: Dvst,
        windows: Windows,
        held_back: Windows | None,
        out: Path,
        resume: Path | None = None,
    ) -> None:
        super().__init__(config, net, out, resume)
        self._codec, self._windows, self._held_back = net, windows, held_back
        if config.device == "cuda":
            for part in net.children():
                part.compile()

    def schedule(self, choice: np.random.Generator) -> tuple[int, int]:
        """Frames coded before the gradient is taken, and frames that it is taken through."""
        done, longest = self.done(), self._windows.frames.shape[1] - 1
        if done < 0.3:
            return 0, 1
        if done < 0.6:
            return min(int(choice.integers(3)), longest - 1), 1
        rolled = min(2, longest)
        return min(int(choice.integers(self.config.most_age + 1)), longest - rolled), rolled

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        config, choice, noise = self.config, self.choice(step), self.noise(step)
        age, rolled = self.schedule(choice)
        crops = draw(self._windows, config.batch, age + rolled, config.crop, choice)
        asked = ask(config, crops.snr_db, choice)
        crops, asked = on(crops, config.device), on(asked, config.device)
        expected, received = last(crops.expected), last(crops.received)
        with torch.no_grad(), self.autocast():
            for at in range(age):
                coded = self._code(crops, at, expected, received, asked, 0, noise)
                expected, received = coded.expected, coded.received.clamp(0, 1)
        total = torch.zeros((), device=config.device)
        figures: dict[str, float] = {}
        for at in range(age, age + rolled):
            with self.autocast():
                coded = self._code(crops, at, expected, received, asked, config.digital, noise)
            now, figures = frame_loss(coded, crops.frames[:, at], config)
            total = total + now / rolled
            expected, received = coded.expected, coded.received.clamp(0, 1)
        return total, figures

    def _code(
        self,
        crops: Crops,
        at: int,
        expected: Tensor,
        received: Tensor,
        asked: Asked,
        digital: int,
        noise: torch.Generator,
    ) -> CodedCrops:
        picture, flow = last(crops.frames[:, at]), crops.flows[:, at]
        return code_frame(self._codec, picture, flow, expected, received, asked, digital, noise, self.config.device)

    def measure(self) -> object:
        """Mean quality of windows that are not trained on, at each point."""
        return measure(self._codec, self._held_back, VALIDATED) if self._held_back is not None else None


def frame_loss(coded: CodedCrops, picture: Tensor, config: DvstTraining) -> tuple[Tensor, dict[str, float]]:
    """Loss of one frame of each crop, and figures for the log."""
    split = config.digital
    squared = 255**2 * (coded.received - picture).square().mean((1, 2, 3))
    bpp = coded.bits.mean() / (picture.shape[2] * picture.shape[3])
    similarity = training_ms_ssim(picture[split:], coded.received[split:])
    # The logarithm keeps crops on bad channels, whose errors are far larger, from owning the gradient.
    total = 0.5 * (bpp + squared[:split].mean() / config.lambda_ + (squared[split:] + 5).log().mean())
    total = total + config.similarity_weight * (1 - similarity).mean()
    psnr = 10 * (255**2 / (squared.detach() + 1e-3)).log10()
    return total, {
        "bpp": float(bpp.detach()),
        "digital_psnr_db": float(psnr[:split].mean()),
        "psnr_db": float(psnr[split:].mean()),
        "ms_ssim": float(similarity.detach().mean()),
        "reals": float(coded.reals.float().mean() / (picture.shape[2] * picture.shape[3] // BLOCK**2)),
    }


def last(pictures: Tensor) -> Tensor:
    """The same with channels last in memory."""
    return pictures.contiguous(memory_format=torch.channels_last)


def on(values: Tensors, device: str) -> Tensors:
    """The same on a device."""
    return type(values)(*(getattr(values, name).to(device) for name in values.__slots__))


@torch.inference_mode()
def measure(
    net: Dvst, windows: Windows, points: Sequence[tuple[float, float]], most: int = 12
) -> list[dict[str, float]]:
    """Mean PSNR and MS-SSIM over the frames after the keyframe, at pairs of (CBR of a frame, SNR). Headers not charged.

    ``held_psnr_db`` is what holding the keyframe would give, ``last_psnr_db`` the last frame's alone.
    """
    device = next(net.parameters()).device
    net = net.cpu()
    results = []
    for cbr, snr_db in points:
        rows = [measure_one(net, windows, which, cbr, snr_db) for which in range(min(most, len(windows)))]
        means = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
        results.append({"cbr": cbr, "snr_db": snr_db, **means, "n": len(rows)})
    net.to(device)
    return results


def measure_one(net: Dvst, windows: Windows, which: int, cbr: float, snr_db: float) -> dict[str, float]:
    """One window, sent frame by frame; its keyframe is the variant whose SNR is nearest."""
    variant = int(np.abs(windows.snr_db[which] - snr_db).argmin())
    pictures = torch.from_numpy(windows.frames[which]).movedim(-1, 1).float() / 255
    expected, received = (
        last(torch.from_numpy(kept[which, variant]).movedim(-1, 0)[None].float() / 255)
        for kept in (windows.expected, windows.received)
    )
    held, noise = windows.received[which, variant], child_generator(0, "validation", which, cbr, snr_db)
    reals = 2 * int(cbr * 3 * pictures.shape[2] * pictures.shape[3])
    quality: list[tuple[float, float, float]] = []
    for at in range(1, len(pictures)):
        flow = torch.from_numpy(windows.flows[which, at - 1].astype(np.float32))[None]
        sent = transmit_frame(net, last(pictures[at : at + 1]), flow, expected, snr_db=snr_db, most_reals=reals)
        arrived = unpair(awgn(pair_reals(sent.reals / math.sqrt(2)), snr_db, generator=noise)) * math.sqrt(2)
        n0 = torch.full((len(arrived),), 10 ** (-snr_db / 10))
        received, expected = receive_frame(net, arrived, n0, sent.rates, received), sent.expected
        true = windows.frames[which, at]
        made = (received[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        three = [np.ascontiguousarray(np.broadcast_to(p, (*p.shape[:2], 3))) for p in (true, made)]
        psnr, hold = (psnr_db(true, other) or 99.0 for other in (made, held))
        quality.append((psnr, ms_ssim_and_ssim(three[0], three[1])[0], hold))
    means = np.mean(quality, axis=0)
    return {
        "psnr_db": float(means[0]),
        "ms_ssim": float(means[1]),
        "held_psnr_db": float(means[2]),
        "last_psnr_db": quality[-1][0],
    }


def fresh(kind: Kind, config: DvstTraining, windows: Windows) -> Dvst:
    """The compact network, its linear paths fitted to differences and motion of the windows."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net = Dvst(DvstConfig.compact() if kind == "rgb" else DvstConfig.compact_sketch())
    start_from_windows(net, windows, config)
    return net


def start_from_windows(net: Dvst, windows: Windows, config: DvstTraining) -> None:
    """Fit the linear paths to differences and motion of some windows."""
    crops = draw(windows, 400, 1, min(config.crop, 128), np.random.default_rng((config.seed, 1)))
    moved = warp(crops.received, crops.flows[:, 0])
    differences = F.pixel_unshuffle(crops.frames[:, 0] - moved, BLOCK).permute(0, 2, 3, 1).flatten(0, 2)
    vectors = F.pixel_unshuffle(crops.flows[:, 0] / PIXELS_PER_UNIT, ENTRY // FLOW_GRID)
    start_linear(net, differences, vectors.permute(0, 2, 3, 1).flatten(0, 2), config.lambda_)


def train(
    config: DvstTraining,
    kind: Kind,
    windows: Windows,
    out: Path,
    *,
    held_back: Windows | None = None,
    net: Dvst | None = None,
    resume: Path | None = None,
) -> Path:
    """Train, and write ``checkpoint.pt``, ``log.jsonl`` and at the end the averaged weights to ``out``.

    Args:
        config: The recipe.
        kind: Pictures or sketches.
        windows: What to train on.
        held_back: What is not trained on.
        net: Network to train; ``None``: the compact one, begun from the windows' principal components.
        resume: Checkpoint to go on from; the log is appended to.

    Returns:
        Path of the weights, float16.
    """
    net = net or fresh(kind, config, windows)
    run = DvstRun(config, net, windows, held_back, out, resume)
    run.run(windows=len(windows), kind=kind)
    return run.write_weights(out / WEIGHTS[kind], config=net.config.to_json())


def load_net(path: Path) -> Dvst:
    """A network from a weights file, to train on from there."""
    from lgvsc.coding.frames.dvst import load

    return load(path.read_bytes())._net.train()


def train_on_folder(
    config: DvstTraining,
    *,
    data: DataFolder,
    out: OutFolder,
    kind: Annotated[Kind, typer.Option(help="Pictures, or sketches of them.")] = "rgb",
    windows: Annotated[
        Path | None, typer.Option(help="File (.npz) that keeps the runs of frames for the next time.")
    ] = None,
    resume: Resume = None,
    from_weights: FromWeights = None,
) -> None:
    """Train on the clips of a folder."""
    runs, held_back = material(data, kind, config.windows_per_clip, config.seed, cache=windows)
    net = load_net(from_weights) if from_weights else None
    train(config, kind, runs, out, held_back=held_back, net=net, resume=resume)


main = Trainer("dvst", train_on_folder, DvstTraining(), __doc__)


if __name__ == "__main__":
    main()
