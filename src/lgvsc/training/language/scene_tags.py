"""Train the scene tags: ``lgvsc train scene-tags --media MEDIA --out FOLDER``.

A logistic layer for each word on frames of annotated clips, annotated photographs and photographs whose class is known
(``scene_tags.toml``). What may be said is settled by cross validation: a word gets the least probability from which,
among clips and annotated photographs that the layer was not fitted to, at least four in five that it is said of are
right, and at least three in four of the clips alone. With ``--captions`` the layer reads the compact classifier's
summaries and not the detector's, and its words are for captions (``compact-caption-tags``).
"""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch.nn.functional import binary_cross_entropy_with_logits

from lgvsc.core.video import Pixels, VideoReader
from lgvsc.errors import InputError
from lgvsc.models.catalog import load
from lgvsc.semantics.backends.compact.classifier import CompactClassifier
from lgvsc.semantics.backends.compact.detector import CompactDetector
from lgvsc.semantics.backends.compact.scene_tags import WORDS
from lgvsc.training.arguments import OutFolder, Trainer

SHIPPED, SHIPPED_CAPTIONS = "compact-scene-tags", "compact-caption-tags"
TOLD = ("animal", "bird", "boat", "car", "cat", "dog", "fish", "food", "insect", "vehicle")  # by any class of ImageNet
LEAST_SPREAD = 0.05  # of a feature; what hardly varies must not be blown up

Floats = NDArray[np.float32]
Look = Callable[[Pixels], Floats]  # the summary of a picture


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneTagsTraining:
    """How the layer is fitted and checked.

    Attributes:
        frames: Of a clip, evenly spread.
        ridge: Weight of the squared coefficients.
        photographs: Weight of a photograph beside a clip.
        folds: Parts of the cross validation.
        repeats: Divisions into parts; the log odds are averaged over them.
        precision: Share that must be right among what a word is said of.
        clip_precision: The same among clips alone.
        evidence: How often a word must be said rightly, of what was annotated, before that share is believed.
        seed: Of the first division.
        captions: Words for captions, read from what the compact classifier makes of pictures.
    """

    frames: int = 10
    ridge: float = 1e-4
    photographs: float = 1.0
    folds: int = 5
    repeats: int = 2
    precision: float = 0.8
    clip_precision: float = 0.75
    evidence: int = 5
    seed: int = 0
    captions: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One clip or photograph: summaries ``(n, features)``, and for each word 1, 0, or NaN where nobody knows."""

    name: str
    summaries: Floats
    true: Floats
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A fitted layer."""

    weight: Floats
    offset: Floats
    mean: Floats
    scale: Floats

    def evidence(self, summaries: Floats) -> Floats:
        """Log odds of each word, averaged over the frames."""
        made: Floats = (((summaries - self.mean) / self.scale) @ self.weight + self.offset).mean(axis=0)
        return made


def annotated() -> dict[str, dict[str, str]]:
    """What is known of clips, photographs and classes."""
    path = files("lgvsc.training.language").joinpath("scene_tags.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def gather(media: Path, look: Look, config: SceneTagsTraining) -> list[Shown]:
    """Everything annotated that lies in ``media/train``, ``media/stills/bsds_train`` and ``media/stills/imagenet``.

    Raises:
        InputError: None of it is there.
    """
    known = annotated()
    found: list[Shown] = []
    for name, said in known["clips"].items():
        path = media / "train" / f"{name}.mp4"
        if path.is_file():
            found.append(Shown(name, _summaries(path, look, config.frames), _listed(said), 1.0))
    for name, said in known["photographs"].items():
        path = media / "stills" / "bsds_train" / f"{name}.jpg"
        if path.is_file():
            found.append(Shown(name, _summary(path, look), _listed(said), config.photographs))
    for path in sorted((media / "stills" / "imagenet").glob("*.[jJ][pP]*[gG]")):
        kind = path.stem.partition("_")[2]
        found.append(Shown(path.stem, _summary(path, look), _of_kind(kind, known), config.photographs))
    if not found:
        raise InputError(f"{media} holds none of the annotated clips and photographs; it needs train and stills")
    return found


def _listed(said: str) -> Floats:
    return np.array([word in said.split() for word in WORDS], dtype=np.float32)


def _of_kind(kind: str, known: dict[str, dict[str, str]]) -> Floats:
    """What the class of a photograph tells."""
    told = dict.fromkeys(TOLD, 0.0)
    true = [word for word, kinds in known["kinds"].items() if kind in kinds.split()]
    for word in true:
        told |= dict.fromkeys(known["never"].get(word, "").split(), 0.0)
    told |= dict.fromkeys(true, 1.0)
    return np.array([told.get(word, np.nan) for word in WORDS], dtype=np.float32)


def _summaries(path: Path, look: Look, frames: int) -> Floats:
    with VideoReader(path) as reader:
        pictures = [frame.pixels for frame in reader]
    wanted = sorted({round(at) for at in np.linspace(0, len(pictures) - 1, frames)})
    return np.stack([look(pictures[at]) for at in wanted])


def _summary(path: Path, look: Look) -> Floats:
    picture = cv2.imread(str(path))
    if picture is None:
        raise InputError(f"{path} is not a picture")
    return look(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))[None]


def fit(shown: Sequence[Shown], config: SceneTagsTraining) -> Layer:
    """The layer that explains them best; every word weighs the same, however often it is known."""
    data = np.concatenate([one.summaries for one in shown])
    rows = [len(one.summaries) for one in shown]
    true = np.repeat(np.stack([one.true for one in shown]), rows, axis=0)
    weight = np.repeat([one.weight / n for one, n in zip(shown, rows, strict=True)], rows)[:, None]
    mean, scale = data.mean(axis=0), (data.std(axis=0) + LEAST_SPREAD) * np.sqrt(data.shape[1])
    x = torch.from_numpy(((data - mean) / scale).astype(np.float32))
    counted = torch.from_numpy((weight * ~np.isnan(true)).astype(np.float32))
    y = torch.nan_to_num(torch.from_numpy(true))
    total = counted.sum(dim=0).clamp_min(1e-6)
    often = ((counted * y).sum(dim=0) / total).clamp(1e-3, 1 - 1e-3)
    coefficients = torch.zeros(x.shape[1], y.shape[1], requires_grad=True)
    offset = torch.log(often / (1 - often)).requires_grad_()
    solver = torch.optim.LBFGS([coefficients, offset], max_iter=300, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> Any:
        solver.zero_grad()
        wrong = binary_cross_entropy_with_logits(x @ coefficients + offset, y, reduction="none")
        value = ((wrong * counted).sum(dim=0) / total).sum() + config.ridge * coefficients.square().sum() / 2
        value.backward()
        return value

    solver.step(loss)
    return Layer(coefficients.detach().numpy(), offset.detach().numpy(), mean, scale)


def held_back(shown: Sequence[Shown], config: SceneTagsTraining) -> Floats:
    """Log odds of every word, each clip's and photograph's by layers that were fitted without it."""
    odds = np.zeros((len(shown), len(WORDS)), dtype=np.float32)
    for repeat in range(config.repeats):
        part = np.random.default_rng(config.seed + repeat).permutation(len(shown)) % config.folds
        for fold in range(config.folds):
            layer = fit([one for one, of in zip(shown, part, strict=True) if of != fold], config)
            for index in np.flatnonzero(part == fold).tolist():
                odds[index] += layer.evidence(shown[index].summaries) / config.repeats
    return odds


def least_probability(
    probability: Floats, true: Floats, clips: NDArray[np.bool_], listed: NDArray[np.bool_], config: SceneTagsTraining
) -> float | None:
    """The least probability from which a word may be said; ``None`` where nothing vouches for any.

    Args:
        probability: Of the word, for each clip and photograph, by layers fitted without it.
        true: Whether it is; NaN where nobody knows.
        clips: Which of them are clips.
        listed: Which of them were annotated, rather than known by their class.
    """
    counted = listed & ~np.isnan(true)
    order = np.argsort(-probability[counted], kind="stable")
    right = np.cumsum(true[counted][order])
    fine = np.flatnonzero((right >= config.precision * np.arange(1, len(order) + 1)) & (right >= config.evidence))
    if not len(fine):
        return None
    for least in np.sort(probability[counted][order][: fine[-1] + 1]):
        said = counted & (probability >= least)
        if not (said & clips).any() or true[said & clips].mean() >= config.clip_precision:
            return float(least) if true[said].sum() >= config.evidence else None
    return None


def train(media: Path, out: Path, config: SceneTagsTraining | None = None) -> Path:
    """Fit, check, write ``compact-scene-tags.safetensors``, or ``compact-caption-tags.safetensors``, and ``log.json``.

    Returns:
        Path of the weights.
    """
    config = config or SceneTagsTraining()
    if config.captions:
        classifier: CompactClassifier = load("compact-classifier")
        return check_and_write(
            gather(media, lambda picture: classifier.look(picture)[0], config), classifier.revision, out, config
        )
    detector: CompactDetector = load("compact-detector")
    return check_and_write(
        gather(media, lambda picture: detector.look(picture)[1], config), detector.revision, out, config
    )


def check_and_write(shown: Sequence[Shown], revision: str, out: Path, config: SceneTagsTraining) -> Path:
    """From everything annotated to the files.

    Args:
        revision: Of the network whose summaries these are.
    """
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    true = np.stack([one.true for one in shown])
    probability = (1 / (1 + np.exp(-held_back(shown, config)))).astype(np.float32)
    clips = np.array([len(one.summaries) > 1 for one in shown])
    listed = np.array([not np.isnan(one.true).any() for one in shown])
    least: dict[str, float] = {}
    log: dict[str, Any] = {}
    for column, word in enumerate(WORDS):
        found = least_probability(probability[:, column], true[:, column], clips, listed, config)
        log[word] = {"clips that show it": int(true[clips, column].sum())}
        log[word]["photographs that show it"] = int(np.nansum(true[~clips, column]))
        if found is not None:
            least[word] = found
            said = (probability[:, column] >= found) & ~np.isnan(true[:, column])
            log[word]["said of clips, rightly"] = [int((said & clips).sum()), int(true[said & clips, column].sum())]
            log[word]["said of photographs, rightly"] = [
                int((said & ~clips).sum()),
                int(true[said & ~clips, column].sum()),
            ]
    layer = fit(shown, config)
    about = {
        "words": json.dumps(WORDS),
        "least": json.dumps(least),
        "detector": revision,
        "format": "1",
    }
    tensors: dict[str, NDArray[Any]] = {
        "weight": layer.weight.astype(np.float16),
        "offset": layer.offset.astype(np.float16),
        "mean": layer.mean.astype(np.float16),
        "scale": layer.scale.astype(np.float32),
    }
    path = out / f"{SHIPPED_CAPTIONS if config.captions else SHIPPED}.safetensors"
    save_file(tensors, path, about)
    record = {"seconds": round(time.monotonic() - started, 1), "shown": len(shown), "least": least, "words": log}
    (out / "log.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def train_on_media(
    config: SceneTagsTraining,
    *,
    media: Annotated[Path, typer.Option(help="Folder with train, stills/bsds_train, ...")],
    out: OutFolder,
) -> None:
    """Train on annotated clips and photographs."""
    torch.set_num_threads(1)
    train(media, out, config)


main = Trainer("scene-tags", train_on_media, SceneTagsTraining(), __doc__)


if __name__ == "__main__":
    main()
