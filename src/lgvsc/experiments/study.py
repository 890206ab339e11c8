"""A study with people, without a server: one page of pairs to judge, and preferences with intervals from the answers.

People see two videos side by side and say which they like better (two-alternative forced choice). The page carries the
videos under random names; which scheme made which stands in a key file that stays with whoever runs the study. Pairs
come in random order with random sides. Some pairs are checks: the reference beside a ruin of it; whoever does not see
the difference is left out, and counted.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from lgvsc.errors import InputError

VERSION = 1
MIN_PEOPLE = 5  # from which the interval is over people
RESAMPLES = 2000
CHECKS_RIGHT = 0.75  # share of the checks that somebody must get right
MAX_BYTES = 150_000_000  # of all videos in one page


@dataclass(frozen=True, slots=True)
class VideoPair:
    """Two videos to choose between.

    Attributes:
        first, second: Names in the page.
        clip: Of which source.
        conditions: Who made them; of a check, ``reference`` and ``check``.
    """

    first: str
    second: str
    clip: str
    conditions: tuple[str, str]

    @property
    def is_check(self) -> bool:
        return self.conditions == ("reference", "check")


@dataclass(frozen=True, slots=True)
class Key:
    """What the page hides.

    Attributes:
        study: Names the study in answers.
        question: What people are asked.
        pairs: All of them, checks among them.
    """

    study: str
    question: str
    pairs: tuple[VideoPair, ...]


@dataclass(frozen=True, slots=True)
class Preference:
    """How often one condition was preferred to another.

    Attributes:
        conditions: The two, in the order of the key.
        share: Of answers that preferred the first, in [0, 1].
        low, high: Its 95 % interval: over people by bootstrap from five of them on, else Wilson's over answers.
        answers, people: What it rests on.
    """

    conditions: tuple[str, str]
    share: float
    low: float
    high: float
    answers: int
    people: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the answers say.

    Attributes:
        preferences: One for each pair of conditions that somebody judged.
        people: Those who count.
        left_out: Those who missed more checks than allowed.
    """

    preferences: list[Preference]
    people: int
    left_out: int


def pair_up(videos: Mapping[str, Mapping[str, str]], checks: Mapping[str, tuple[str, str]], question: str) -> Key:
    """Every two conditions on every clip that both have, and the checks.

    Args:
        videos: Name in the page by condition and clip.
        checks: By clip: names of the reference and of its ruin.

    Raises:
        InputError: No clip is in two conditions.
    """
    pairs = [
        VideoPair(videos[one][clip], videos[other][clip], clip, (one, other))
        for one, other in combinations(videos, 2)
        for clip in videos[one]
        if clip in videos[other]
    ]
    if not pairs:
        raise InputError(f"no clip is in two of {', '.join(videos) or 'no folders'}; files are paired by name")
    pairs += [VideoPair(good, ruin, clip, ("reference", "check")) for clip, (good, ruin) in checks.items()]
    digest = hashlib.sha256(json.dumps([question, [asdict(pair) for pair in pairs]]).encode()).hexdigest()
    return Key(digest[:16], question, tuple(pairs))


def key_text(key: Key) -> str:
    """The key file."""
    return json.dumps({"version": VERSION} | asdict(key), indent=1)


def read_key(path: Path) -> Key:
    """The key file that :func:`key_text` made.

    Raises:
        InputError: It is none.
    """
    found = read_json(path)
    if found.get("version", VERSION) != VERSION:
        raise InputError(f"{path} is a key of version {found['version']}; this lgvsc reads {VERSION}")
    try:
        pairs = tuple(
            VideoPair(text(p["first"]), text(p["second"]), text(p["clip"]), (text(one), text(other)))
            for p in found["pairs"]
            for one, other in [p["conditions"]]
        )
        if not pairs:
            raise ValueError("no pair is in it")
        return Key(text(found["study"]), text(found["question"]), pairs)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no key that `lgvsc study make` wrote") from error


def read_answers(path: Path, key: Key) -> tuple[str, dict[int, bool]]:
    """Who answered, and for each pair whether the first was preferred.

    Raises:
        InputError: It is no file of answers, or of another study.
    """
    found = read_json(path)
    try:
        if found["study"] != key.study:
            raise InputError(f"{path} answers study {found['study']}, the key is of {key.study}")
        choices: dict[int, bool] = {}
        for answer in found["answers"]:
            pair, chosen = answer["pair"], answer["chosen"]
            if type(pair) is not int or not 0 <= pair < len(key.pairs) or chosen not in ("first", "second"):
                raise InputError(f"{path} has an answer that the page cannot give: {json.dumps(answer)[:80]}")
            choices[pair] = chosen == "first"
        return text(found["participant"]), choices
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} holds no answers of a page that `lgvsc study make` wrote") from error


def text(found: Any) -> str:
    """What stands where words are asked for.

    Raises:
        TypeError: Something else.
    """
    if not isinstance(found, str):
        raise TypeError(f"{found!r} are no words")
    return found


def read_json(path: Path) -> Any:
    """An object from a file.

    Raises:
        InputError: There is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object")
    return found


def preferences(key: Key, answers: Mapping[str, Mapping[int, bool]], *, seed: int = 0) -> Outcome:
    """What people preferred.

    Args:
        answers: By participant, whether the first of each pair was preferred. Whoever answered nothing is no one.
        seed: Of the bootstrap.
    """
    answers = {who: given for who, given in answers.items() if given}
    attentive = {who: given for who, given in answers.items() if passes_checks(key, given)}
    found = []
    for conditions in dict.fromkeys(pair.conditions for pair in key.pairs if not pair.is_check):
        each = []
        for given in attentive.values():
            mine = [choice for pair, choice in given.items() if key.pairs[pair].conditions == conditions]
            if mine:
                each.append((sum(mine), len(mine)))
        if each:
            found.append(preference(conditions, each, seed))
    return Outcome(found, len(attentive), len(answers) - len(attentive))


def passes_checks(key: Key, given: Mapping[int, bool]) -> bool:
    """Whether somebody saw that the reference is better than its ruin, often enough. Without checks all pass."""
    seen = [choice for pair, choice in given.items() if key.pairs[pair].is_check]
    return not seen or sum(seen) >= CHECKS_RIGHT * len(seen)


def preference(conditions: tuple[str, str], each: Sequence[tuple[int, int]], seed: int) -> Preference:
    """Share and interval from ``(preferred, answered)`` of every participant."""
    counts = np.array(each, dtype=np.float64)
    preferred, answered = counts.sum(0)
    if len(each) < MIN_PEOPLE:
        interval = binomtest(int(preferred), int(answered)).proportion_ci(method="wilson")
        low, high = float(interval.low), float(interval.high)
    else:
        rng = np.random.Generator(np.random.PCG64(seed))
        drawn = counts[rng.integers(0, len(each), (RESAMPLES, len(each)))].sum(1)
        low, high = (float(edge) for edge in np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975)))
    share = float(preferred / answered)
    assert math.isfinite(share)
    return Preference(conditions, share, low, high, int(answered), len(each))
