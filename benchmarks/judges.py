"""Can a judge tell texts about one clip from texts about two?

``python benchmarks/judges.py CAPTIONS.json [JUDGE...]`` reads ``{"clip": ["text", "another text", ...], ...}``. Every
second clip is held back: figures are of those. Pairs are each two texts of one clip, and as many of different clips.
``python benchmarks/judges.py MEDIA [JUDGE...]`` takes a folder of clips instead, and does so twice: with the sentences
that were written about each clip (see ``captions.py``), and with what the compact captioner says today of two frames of
each half a second apart, of each frame alone.
With ``--fit`` it prints where what a judge measures parts the pairs of the other clips: middle and slope of its
answers. A judge is a name of the catalogue or a compact judge's file.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize

from captions import sentences
from lgvsc.core.interfaces import FOCUSES
from lgvsc.core.video import VideoReader
from lgvsc.models.catalog import find, load
from lgvsc.semantics.backends.compact.judge import CompactJudge
from lgvsc.semantics.backends.large.text_judge_config import TextJudgeConfig
from lgvsc.semantics.prompts import question

Pair = tuple[str, str]


def pairs_of(texts: dict[str, list[str]], names: list[str], seed: int = 0) -> tuple[list[Pair], list[Pair]]:
    """Pairs about one clip, both ways round, and as many about two."""
    rng = random.Random(seed)
    same = [pair for name in names for a, b in combinations(texts[name], 2) for pair in ((a, b), (b, a))]
    rng.shuffle(same)
    other = []
    while len(other) < len(same):
        first, second = rng.sample(names, 2)
        other.append((rng.choice(texts[first]), rng.choice(texts[second])))
    return same, other


def area(same: np.ndarray, other: np.ndarray) -> float:
    """Share of the pairs of pairs where the one about two clips diverges more."""
    wins = (other[None] > same[:, None]) + 0.5 * (other[None] == same[:, None])
    return float(wins.mean())


def interval(same: np.ndarray, other: np.ndarray, times: int = 1000) -> tuple[float, float]:
    """Of the area, 95 %, by drawing pairs again."""
    rng = np.random.default_rng(0)
    found = [area(rng.choice(same, len(same)), rng.choice(other, len(other))) for _ in range(times)]
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def texts_at(place: Path) -> dict[str, dict[str, list[str]]]:
    """Texts of each clip, of a file, or by whom they are: of a folder of media."""
    if place.is_file():
        return {"texts of the file": json.loads(place.read_text("utf-8"))}
    written = sentences(place)
    return {"written English": written, "the captioner's own words": described(place / "train", sorted(written)[::2])}


def described(clips: Path, names: list[str]) -> dict[str, list[str]]:
    """What the compact captioner says of two frames of each clip, half a second apart in its first second."""
    captioner, found = load("compact-captioner"), {}
    for name in names:
        with VideoReader(clips / name) as reader:
            first, apart = round(0.25 * reader.format.fps), round(0.5 * reader.format.fps)
            pair = list(islice(reader, first, first + apart + 1, apart))
        found[name] = captioner.describe(pair)
    return found


def judge_of(name: str) -> Any:
    """A judge of the catalogue, or a compact one from a file."""
    if name.endswith(".safetensors"):
        return CompactJudge.load(name)
    return load(name, TextJudgeConfig()) if find(name).settings else load(name)


def fit(judge: Any, same: list[Pair], other: list[Pair]) -> None:
    """Logistic regression of "one clip" on what the judge measures."""
    x = np.array([judge.measure(*pair) for pair in same + other])
    y = np.array([1.0] * len(same) + [0.0] * len(other))
    loss = lambda p: np.logaddexp(0.0, -(2 * y - 1) * p[1] * (x - p[0])).mean() + 1e-5 * p[1] ** 2  # noqa: E731
    middle, slope = minimize(loss, [0.5, 20.0]).x
    print(f"middle {middle:.3f}, slope {slope:.1f}, area {area(-x[: len(same)], -x[len(same) :]):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("judges", nargs="*", default=["compact-judge"])
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--pairs", type=int, default=0, help="of each kind, at most; 0 takes all")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for whose, texts in texts_at(given.texts).items():
        names = sorted(name for name, lines in texts.items() if len(lines) > 1)
        print(f"\n{whose}:", end=" ")
        if given.fit:
            for name in given.judges:
                fit(judge_of(name), *(some[: given.pairs or None] for some in pairs_of(texts, names[1::2])))
        else:
            measure(texts, names[::2], given.judges, given.pairs)


def measure(texts: dict[str, list[str]], names: list[str], judges: list[str], most: int) -> None:
    """Areas of judges on pairs of these clips' texts, at most so many of each kind."""
    same, other = (some[: most or None] for some in pairs_of(texts, names))
    print(f"{len(names)} clips held back, {len(same)} pairs of one clip, {len(other)} of two")
    print(f"{'judge':<20}{'focus':<14}{'area':>7}{'95 %':>16}{'same':>8}{'other':>8}{'s a pair':>10}")
    for name in judges:
        judge = judge_of(name)
        for focus in FOCUSES[:1] if getattr(judge, "whole_texts", False) else FOCUSES:
            start = time.perf_counter()
            answers = judge.answer(question(focus), same + other)
            spent = (time.perf_counter() - start) / len(answers)
            s_rel = np.array([answer.p_no - answer.p_yes for answer in answers])
            parts = s_rel[: len(same)], s_rel[len(same) :]
            low, high = interval(*parts)
            means = "".join(f"{part.mean():+8.2f}" for part in parts)
            print(f"{name:<20}{focus:<14}{area(*parts):7.3f}   [{low:.3f}, {high:.3f}]{means}{spent:10.3f}")


if __name__ == "__main__":
    main()
