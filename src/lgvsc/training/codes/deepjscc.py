"""Train DeepJSCC on pictures, ``lgvsc train deepjscc``, or on sketches, ``lgvsc train sketch``.

Both take ``--data FOLDER --minutes 20 --out FOLDER``. The loss is GVSC's Eq. (1), ``k MSE + (1 - k) distance``, and
``--ablate-k`` trains once for each k of its Fig. 7. Every crop of a batch has its own SNR, and its symbols pass the
channel that measurements use. Sketches are drawn once, at the start, by the extractor that ships or by
``--pidinet FILE``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from zipfile import BadZipFile

import numpy as np
import torch
import torch.nn.functional as F
import typer
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.channel.awgn import awgn
from lgvsc.channel.common import child_generator
from lgvsc.coding.pictures.deepjscc import load_net, to_reals, to_symbols
from lgvsc.core.files import atomic_write
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, InputError
from lgvsc.metrics.edges import EdgeTruth, edge_counts, thin, thinned_maxima
from lgvsc.metrics.lpips import lpips_distance
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.ssim import ms_ssim_and_ssim
from lgvsc.nets.deepjscc import DeepJscc, DeepJsccConfig, start_from_patches
from lgvsc.semantics.sketch import SketchExtractor
from lgvsc.training.arguments import DataFolder, FromWeights, OutFolder, Resume, Trainer
from lgvsc.training.loop import LoopConfig, TrainingRun, compiled
from lgvsc.training.perceptual import DISTANCES, choose_distance, in_colour
from lgvsc.training.pictures import (
    PicturePool,
    as_batch,
    find_sources,
    read_still,
    spread_frames,
    square,
    training_pictures,
)

Kind: TypeAlias = Literal["rgb", "sketch"]

ABLATED_K = (0.0, 0.3, 0.5, 0.7, 1.0)  # GVSC, Fig. 7
SIDE = 256  # pixels: of sketches, and of what is measured
HELD_BACK = 24
CONTOUR = 0.5  # from this value on a pixel of a sketch counts as contour when contours are compared
WEIGHTS: Mapping[Kind, str] = {
    "rgb": "compact-deepjscc-rgb.safetensors",
    "sketch": "compact-deepjscc-sketch.safetensors",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepJsccTraining(LoopConfig):
    """The recipe.

    Attributes:
        k: Weight of the squared error; the perceptual distance weighs ``1 - k``. GVSC: 0.3.
        distance: Which perceptual distance, see :mod:`lgvsc.training.perceptual`. GVSC: LPIPS, with which the shipped
            sketch code ended; it began with ``ms_ssim_distance``.
        snr_db: Range from which each crop's SNR is drawn.
        sent: How many reals a place may send; one is drawn for each crop, the first in every second one.
        measured: Pairs of reals sent and SNR in dB at which held-back pictures are measured.
        frames_per_clip: Training pictures taken from each clip.
    """

    k: float = 0.3
    distance: str = "ms_ssim_distance"
    batch: int = 16
    snr_db: tuple[float, float] = (-3.0, 13.0)
    sent: tuple[int, ...] = (2,)
    measured: tuple[tuple[int, float], ...] = ((2, -2.0), (2, 0.0), (2, 2.0), (2, 5.0), (2, 10.0))
    frames_per_clip: int = 6

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        if not 0 <= self.k <= 1:
            raise ConfigError(f"k is {self.k}, but it lies in [0, 1]; GVSC takes 0.3")
        if self.distance not in DISTANCES:
            raise ConfigError(f"distance is {self.distance!r}; there are {', '.join(DISTANCES)}")


RGB = DeepJsccTraining(
    k=0.97,
    sent=(3, 2, 4, 6, 8, 12, 16),
    measured=tuple((sent, snr_db) for sent in (3, 16) for snr_db in (-2.0, 0.0, 2.0, 5.0, 10.0)),
)
SKETCH = DeepJsccTraining()


class DeepJsccRun(TrainingRun[DeepJsccTraining]):
    """Training in progress."""

    def __init__(
        self,
        config: DeepJsccTraining,
        net: DeepJscc,
        pool: PicturePool,
        held_back: Sequence[Pixels],
        out: Path,
        resume: Path | None = None,
    ) -> None:
        super().__init__(config, net, out, resume)
        self._codec, self._pool, self._held_back = net, pool, held_back
        self._distance = choose_distance(config.distance)
        self._encode, self._decode = compiled(net.encode, config.device), compiled(net.decode, config.device)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        config, choice = self.config, self.choice(step)
        pictures = self._pool.draw(config.batch, choice).to(config.device).contiguous(memory_format=torch.channels_last)
        snr_db = torch.from_numpy(choice.uniform(*config.snr_db, config.batch)).float().to(config.device)
        drawn = choice.choice(config.sent, config.batch)
        drawn[::2] = config.sent[0]
        sent = torch.from_numpy(drawn).to(config.device)
        with self.autocast():
            reals = self._encode(pictures, snr_db, sent)
        arrived = through_channel(reals.float(), snr_db, self.noise(step)) * self._codec.mask(snr_db, sent)
        noise = (10 ** (-snr_db / 10))[:, None, None, None]
        with self.autocast():
            rebuilt = self._decode(arrived, noise, snr_db, sent)
        rebuilt = rebuilt.float()
        squared = (rebuilt - pictures).square().mean()
        apart = self._distance(pictures, rebuilt).mean()
        total = config.k * squared + (1 - config.k) * apart
        figures = {"loss": total, "mse": squared, config.distance: apart}
        return total, {name: float(value.detach()) for name, value in figures.items()}

    def measure(self) -> object:
        """Mean quality of held-back pictures at each point."""
        return measure(self._codec, self._held_back, self.config.measured) if self._held_back else None


def through_channel(reals: Tensor, snr_db: Tensor, noise: torch.Generator) -> Tensor:
    """Send the reals of each picture, ``(B, reals, h, w)`` of mean power one half, as symbols of energy one."""
    rows = zip(to_symbols(reals), snr_db.tolist(), strict=True)
    received = torch.stack([awgn(symbols, level, generator=noise) for symbols, level in rows])
    return to_reals(received, *reals.shape[1:])


def rebuilt_picture(net: DeepJscc, picture: Pixels, sent: int, snr_db: float, index: int = 0) -> Pixels:
    """One picture, ``(H, W, colours)``, sent and received; the noise depends on the index and the point alone."""
    device = next(net.parameters()).device
    batch = as_batch([picture]).to(device).contiguous(memory_format=torch.channels_last)
    level, count = torch.tensor([snr_db], device=device), torch.tensor([sent], device=device)
    seed = child_generator(0, "validation", index, sent, snr_db).initial_seed()
    reals = net.encode(batch, level, count)
    arrived = through_channel(reals, level, torch.Generator(device).manual_seed(seed)) * net.mask(level, count)
    rebuilt = net.decode(arrived, (10 ** (-level / 10))[:, None, None, None], level, count)
    return np.asarray((rebuilt[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy())


@torch.inference_mode()
def measure(
    net: DeepJscc, pictures: Sequence[Pixels], points: Sequence[tuple[int, float]]
) -> list[dict[str, float | None]]:
    """Mean PSNR and MS-SSIM, and for sketches the F-measure of their contours, at pairs of (reals sent, SNR in dB)."""
    rows: list[dict[str, float | None]] = []
    for sent, snr_db in points:
        shown = [rebuilt_picture(net, picture, sent, snr_db, index) for index, picture in enumerate(pictures)]
        quality = [compare(true, made) for true, made in zip(pictures, shown, strict=True)]
        row: dict[str, float | None] = {"reals": sent, "snr_db": snr_db, "n": len(pictures)}
        row["symbols"] = sent * pictures[0].shape[0] * pictures[0].shape[1] // (2 * net.config.grid**2)
        for name in quality[0]:
            row[name] = round(float(np.mean([one[name] for one in quality])), 4)
        rows.append(row)
    return rows


def compare(true: Pixels, made: Pixels) -> dict[str, float]:
    """Figures for one picture, or for one sketch ``(H, W, 1)``."""
    three = [np.ascontiguousarray(np.broadcast_to(p, (*p.shape[:2], 3))) for p in (true, made)]
    found = {"psnr_db": psnr_db(true, made) or 99.0, "ms_ssim": ms_ssim_and_ssim(three[0], three[1])[0]}
    found["lpips"] = float(in_colour(lpips_distance, as_batch([true]), as_batch([made])))
    if true.shape[2] == 1:
        found["contour_f"] = contour_f(true[..., 0], made[..., 0])
    return found


def contour_f(true: NDArray[np.uint8], made: NDArray[np.uint8]) -> float:
    """F-measure of the contours of a sketch against those of the one that was sent, both thinned."""
    lines = [thin(thinned_maxima(sketch.astype(np.float32) / np.float32(255)) >= CONTOUR) for sketch in (true, made)]
    return edge_counts(lines[1], EdgeTruth(lines[0].astype(np.int32), 1)).f_measure


def train(
    config: DeepJsccTraining,
    kind: Kind,
    pool: PicturePool,
    out: Path,
    *,
    held_back: Sequence[Pixels] = (),
    resume: Path | None = None,
    net: DeepJscc | None = None,
) -> DeepJsccRun:
    """Train, and write ``checkpoint.pt``, ``log.jsonl`` and at the end the averaged weights to ``out``."""
    net = net or fresh(kind, config.seed, pool)
    run = DeepJsccRun(config, net, pool, held_back, out, resume)
    run.run(pictures=len(pool), kind=kind, distance=config.distance)
    run.write_weights(out / WEIGHTS[kind], config=net.config.to_json())
    return run


def fresh(kind: Kind, seed: int, pool: PicturePool) -> DeepJscc:
    """The compact network, its linear paths fitted to the pictures."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = DeepJscc(DeepJsccConfig.compact_rgb() if kind == "rgb" else DeepJsccConfig.compact_sketch())
    crops = pool.draw(1000, np.random.default_rng((seed, 1)))
    places = F.pixel_unshuffle(crops, net.config.grid).permute(0, 2, 3, 1).flatten(0, 2)
    start_from_patches(net, places)
    return net


def ablate(
    config: DeepJsccTraining, kind: Kind, pool: PicturePool, out: Path, held_back: Sequence[Pixels]
) -> list[dict[str, object]]:
    """Train once for each k of GVSC's Fig. 7, alike in everything else; the table is ``ablation.json`` in ``out``."""
    rows: list[dict[str, object]] = []
    for k in ABLATED_K:
        run = train(replace(config, k=k), kind, pool, out / f"k-{k}", held_back=held_back)
        progress = run.progress()
        shown = measure_averaged(run, held_back)
        rows += [
            {"k": k, "distance": config.distance, "steps": progress.step, "cpu_s": round(progress.cpu_s), **row}
            for row in shown
        ]
        (out / "ablation.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return rows


def measure_averaged(run: DeepJsccRun, pictures: Sequence[Pixels]) -> list[dict[str, float | None]]:
    """Measure the averaged weights of a run."""
    from lgvsc.training.loop import averaged

    with averaged(run.net, run.average):
        return measure(run._codec, pictures, run.config.measured)


@dataclass(frozen=True, slots=True)
class TrainingMaterial:
    """What to train on and what to measure on: pictures ``(H, W, 3)`` or sketches ``(H, W, 1)``."""

    pool: PicturePool
    held_back: list[Pixels] = field(default_factory=list)


def material(
    data: Path, config: DeepJsccTraining, extractor: SketchExtractor | None = None, sketches: Path | None = None
) -> TrainingMaterial:
    """Stills and frames of clips under a folder; half of what is held back are BSDS test pictures, half frames.

    Args:
        data: The folder.
        config: Side of the crops, and how many frames of each clip.
        extractor: Draws them all; ``None`` leaves them pictures.
        sketches: File in which what it draws is kept for the next time.
    """
    sources = find_sources(data)
    tests = sorted(path for path in data.rglob("bsds_test/*") if path.suffix.lower() == ".jpg")[: HELD_BACK // 2]
    held_back = [square(read_still(path), SIDE) for path in tests]
    held_back += [square(spread_frames(path, 1)[0], SIDE) for path in sources.held_out_clips[: HELD_BACK // 2]]
    pictures = training_pictures(sources, config.frames_per_clip)
    if extractor is None:
        return TrainingMaterial(PicturePool(pictures, config.crop), held_back)

    def drawn(picture: Pixels) -> Pixels:
        return extractor.extract(square(picture, SIDE))[..., None]

    def both() -> tuple[list[Pixels], list[Pixels]]:
        return [drawn(picture) for picture in pictures], [drawn(picture) for picture in held_back]

    trained, measured = load_or_make(sketches, both) if sketches else both()
    return TrainingMaterial(PicturePool(trained, config.crop, scales=(1.0,)), measured)


def load_or_make(
    path: Path, make: Callable[[], tuple[list[Pixels], list[Pixels]]]
) -> tuple[list[Pixels], list[Pixels]]:
    """Sketches to train on and to measure on: as they were written to a file before, else made now and written.

    Raises:
        InputError: The file is there and holds something else.
    """
    if not path.exists():
        trained, held_back = make()
        with atomic_write(path) as file:
            np.savez_compressed(file, trained=np.array(trained), held_back=np.array(held_back))
        return trained, held_back
    try:
        with np.load(path, allow_pickle=False) as stored:
            return list(stored["trained"]), list(stored["held_back"])
    except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise InputError(f"{path} holds no sketches that were kept: {error}") from error


AblateK: TypeAlias = Annotated[bool, typer.Option("--ablate-k", help="Train once for each k of GVSC's Fig. 7.")]


def train_on_pictures(
    config: DeepJsccTraining,
    *,
    data: DataFolder,
    out: OutFolder,
    resume: Resume = None,
    from_weights: FromWeights = None,
    ablate_k: AblateK = False,
) -> None:
    """Train on the pictures and clips of a folder."""
    train_or_ablate(config, "rgb", material(data, config), out, resume, from_weights, ablate_k)


def train_on_sketches(
    config: DeepJsccTraining,
    *,
    data: DataFolder,
    out: OutFolder,
    resume: Resume = None,
    from_weights: FromWeights = None,
    ablate_k: AblateK = False,
    pidinet: Annotated[
        Path | None, typer.Option(help="Weights (.safetensors) that draw; else the shipped ones.")
    ] = None,
    sketches: Annotated[Path | None, typer.Option(help="File (.npz) that keeps what was drawn.")] = None,
) -> None:
    """Train on sketches of the pictures and clips of a folder."""
    found = material(data, config, extractor(pidinet), sketches)
    train_or_ablate(config, "sketch", found, out, resume, from_weights, ablate_k)


def train_or_ablate(
    config: DeepJsccTraining,
    kind: Kind,
    found: TrainingMaterial,
    out: Path,
    resume: Path | None,
    from_weights: Path | None,
    ablate_k: bool,
) -> None:
    """Train once; or once for each k, with the table on stdout.

    Raises:
        ConfigError: Weights to begin from, and an ablation, whose trainings begin anew; or weights of the other kind.
    """
    if not ablate_k:
        net = start(from_weights, kind) if from_weights else None
        train(config, kind, found.pool, out, held_back=found.held_back, resume=resume, net=net)
    elif from_weights:
        raise ConfigError("--ablate-k trains each k from the beginning; leave --from-weights out")
    else:
        sys.stdout.write(as_markdown(ablate(config, kind, found.pool, out, found.held_back)))


def start(weights: Path, kind: Kind) -> DeepJscc:
    """The network of a weights file, to train on from there."""
    net = load_net(weights.read_bytes()).train()
    colours = 1 if kind == "sketch" else 3
    if net.config.colours != colours:
        raise ConfigError(f"{weights} codes pictures of {net.config.colours} channels; {kind} training needs {colours}")
    return net


def extractor(weights: Path | None) -> SketchExtractor:
    """What draws the sketches, shipped or from a file."""
    from lgvsc.models.catalog import load
    from lgvsc.semantics.sketch import load as read

    shipped: SketchExtractor = load("compact-pidinet") if weights is None else read(weights.read_bytes())
    return shipped


def as_markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows with equal keys as a table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    lines += ["| " + " | ".join(f"{value}" for value in row.values()) + " |" for row in rows]
    return "\n".join(lines) + "\n"


main = Trainer("deepjscc", train_on_pictures, RGB, __doc__)

if __name__ == "__main__":
    main()
