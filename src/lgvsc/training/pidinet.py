"""Train the compact sketch extractor: ``lgvsc train pidinet --data FOLDER --minutes 20 --out FOLDER``.

FOLDER holds photographs in ``bsds_train`` and ``bsds_val`` and, under ``edges``, one picture of the same base name for
each: boundaries drawn by people, averaged over those who drew (255 = all of them). ``bsds_test`` is for measuring only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import typer
from numpy.typing import NDArray
from torch import Tensor, nn

from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, InputError
from lgvsc.metrics.edges import EdgeTruth, ods_of, thinned_maxima
from lgvsc.nets.pidinet import VARIANTS, PiDiNet
from lgvsc.training.arguments import OutFolder, Resume, Trainer
from lgvsc.training.loop import LoopConfig, TrainingRun, compiled
from lgvsc.training.pictures import as_batch, read_still

SCALES = (1.0, 0.8, 0.6)
TRAINED = ("bsds_train", "bsds_val")
TESTED = "bsds_test"
WEIGHTS = "compact-pidinet.safetensors"
EDGE_FROM = 0.3  # share of the people who drew it; below, but not zero, nobody can say
NEGATIVE_WEIGHT = 1.1  # beta


@dataclass(frozen=True, slots=True, kw_only=True)
class PidinetTraining(LoopConfig):
    """The recipe; loss and rate of Su et al. 2021, schedule and batches for a CPU.

    Attributes:
        variant: Which PiDiNet.
        validated: Held-back pictures on which the run measures itself.
    """

    variant: str = "tiny-l"
    batch: int = 4
    crop: int = 256
    learning_rate: float = 5e-3
    warmup: int = 100
    validated: int = 12

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        if self.variant not in VARIANTS:
            raise ConfigError(f"variant is {self.variant!r}; there are {', '.join(VARIANTS)}")


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A photograph, and how many of those who drew its boundaries drew each pixel (0..255: all)."""

    picture: Pixels
    edges: NDArray[np.uint8]


def find_drawn(folder: Path, names: Sequence[str]) -> Iterator[Drawn]:
    """Photographs of the folders called ``names`` that have boundaries, in the order of their names.

    Raises:
        InputError: There is no folder of boundaries, or no photograph that has any.
    """
    found = 0
    labels = {path.stem: path for path in sorted(folder.rglob("edges/*.png"))}
    for path in sorted(p for name in names for p in folder.rglob(f"{name}/*.jpg")):
        if path.stem not in labels:
            continue
        edges = cv2.imread(str(labels[path.stem]), cv2.IMREAD_GRAYSCALE)
        picture = read_still(path)
        if edges is None or edges.shape != picture.shape[:2]:
            raise InputError(f"{labels[path.stem]} does not fit the photograph {path}")
        found += 1
        yield Drawn(picture, np.asarray(edges, dtype=np.uint8))
    if not found:
        raise InputError(f"{folder} holds no photographs in {', '.join(names)} with boundaries in edges")


class DrawnPool:
    """Photographs and boundaries at several scales, from which crops are drawn."""

    def __init__(self, drawn: Sequence[Drawn], side: int) -> None:
        self._side = side
        self._pairs: list[NDArray[np.uint8]] = []  # (H, W, 4): red, green, blue, boundaries
        for one in drawn:
            for scale in SCALES:
                pair = scaled(one, scale)
                short = [max(0, side - length) for length in pair.shape[:2]]
                self._pairs.append(np.pad(pair, ((0, short[0]), (0, short[1]), (0, 0)), mode="symmetric"))
        if not self._pairs:
            raise InputError("there is nothing to train on")

    def __len__(self) -> int:
        return len(self._pairs)

    def draw(self, count: int, choice: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Crops, flipped and transposed at random: photographs ``(count, 3, side, side)`` and boundaries, in [0, 1]."""
        crops = torch.stack([self._crop(choice) for _ in range(count)]).float() / 255
        return crops[:, :3], crops[:, 3:]

    def _crop(self, choice: np.random.Generator) -> Tensor:
        pair = self._pairs[int(choice.integers(len(self._pairs)))]
        top, left = (int(choice.integers(length - self._side + 1)) for length in pair.shape[:2])
        crop = pair[top : top + self._side, left : left + self._side]
        turn = int(choice.integers(8))
        crop = crop[:, ::-1] if turn & 1 else crop
        crop = crop[::-1] if turn & 2 else crop
        crop = crop.swapaxes(0, 1) if turn & 4 else crop
        return torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1)


def scaled(one: Drawn, scale: float) -> NDArray[np.uint8]:
    """Photograph and boundaries at another size, ``(H, W, 4)``; lines stay whole and keep their value."""
    if scale == 1.0:
        return np.dstack([one.picture, one.edges])
    size = (round(one.picture.shape[1] * scale), round(one.picture.shape[0] * scale))
    picture = cv2.resize(one.picture, size, interpolation=cv2.INTER_AREA)
    thick = cv2.dilate(one.edges, np.ones((2, 2), np.uint8))
    return np.dstack([picture, cv2.resize(thick, size, interpolation=cv2.INTER_NEAREST)])


def edge_loss(logits: Sequence[Tensor], drawn: Tensor) -> Tensor:
    """Balanced cross entropy of all side maps and of the fused one, mean over pixels, summed over maps.

    Args:
        logits: Maps before the sigmoid, each ``(N, 1, H, W)``.
        drawn: Share of people who drew each pixel, ``(N, 1, H, W)``.

    Source: Su et al. 2021, Eq. (6), with their beta and threshold.
    """
    edge, none = (drawn >= EDGE_FROM).float(), (drawn == 0).float()
    edges, others = edge.sum((1, 2, 3), keepdim=True), none.sum((1, 2, 3), keepdim=True)
    known = (edges + others).clamp(min=1)
    weight = edge * others / known + none * NEGATIVE_WEIGHT * edges / known
    losses = [F.binary_cross_entropy_with_logits(m.float(), edge, weight, reduction="mean") for m in logits]
    return torch.stack(losses).sum()


class PidinetRun(TrainingRun[PidinetTraining]):
    """Training in progress."""

    def __init__(
        self,
        config: PidinetTraining,
        net: PiDiNet,
        pool: DrawnPool,
        held_back: Sequence[Drawn],
        out: Path,
        resume: Path | None = None,
    ) -> None:
        super().__init__(config, net, out, resume)
        self._pool, self._held_back = pool, held_back
        self._logits = compiled(net.logits, config.device)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        pictures, drawn = (
            part.to(self.config.device) for part in self._pool.draw(self.config.batch, self.choice(step))
        )
        with self.autocast():
            logits = self._logits(pictures.contiguous(memory_format=torch.channels_last))
        total = edge_loss(logits, drawn)
        return total, {"loss": float(total.detach())}

    def measure(self) -> object:
        """ODS F-measure at nine thresholds."""
        if not self._held_back:
            return None
        maps = [thinned_maxima(edge_map(self.net, one.picture)) for one in self._held_back]
        truths = [EdgeTruth.of_mean(one.edges) for one in self._held_back]
        found = ods_of(maps, truths, thresholds=tuple(np.linspace(0.1, 0.9, 9)))
        return {"ods": round(found.ods, 4), "threshold": round(found.threshold, 3), "n": len(maps)}


def edge_map(net: nn.Module, picture: Pixels) -> NDArray[np.float32]:
    """Edge map of one picture, float32 ``(H, W)`` in [0, 1]."""
    device = next(net.parameters()).device
    return np.asarray(net(as_batch([picture]).to(device))[0, 0].float().cpu().numpy())


def train(
    config: PidinetTraining,
    drawn: Sequence[Drawn],
    out: Path,
    *,
    held_back: Sequence[Drawn] = (),
    resume: Path | None = None,
    net: PiDiNet | None = None,
) -> Path:
    """Train, and write ``checkpoint.pt``, ``log.jsonl`` and at the end the averaged weights to ``out``.

    Returns:
        Path of the weights, float16.
    """
    if net is None:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            net = PiDiNet(config.variant)  # type: ignore[arg-type]
    pool = DrawnPool(drawn, config.crop)
    run = PidinetRun(config, net, pool, held_back, out, resume)
    run.run(pictures=len(pool))
    return run.write_weights(out / WEIGHTS, variant=net.variant)


def train_on_folder(
    config: PidinetTraining,
    *,
    data: Annotated[Path, typer.Option(help="Folder with bsds_train, bsds_val and edges.")],
    out: OutFolder,
    resume: Resume = None,
) -> None:
    """Train on photographs and the boundaries that people drew in them."""
    held_back = spread(list(find_drawn(data, [TESTED])), config.validated)
    train(config, list(find_drawn(data, TRAINED)), out, held_back=held_back, resume=resume)


def spread(drawn: list[Drawn], count: int) -> list[Drawn]:
    """``count`` of them, evenly spread."""
    return drawn[:: max(1, len(drawn) // max(1, count))][:count]


main = Trainer("pidinet", train_on_folder, PidinetTraining(), __doc__)

if __name__ == "__main__":
    main()
