"""Turns: samples between which and what came before a picture has become another one, told from both sides.

Two frames tell little: somebody steps before the camera and away, a hand shakes. So the mean look of the last few
samples before a frame is compared with that of the first few from it on, and the frame is a turn where that unlikeness
is larger than anywhere else of the same shot in the two seconds before and the one behind. How large it is in itself
says little: an arm that throws changes less of a picture than a camera that goes by. Elsewhere nobody has to be asked
whether the meaning has changed. This is ours; the paper (Ma et al. 2026, arXiv:2606.12899, section II-C2) compares
every sampled frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lgvsc.core.interfaces import Captioner
from lgvsc.core.video import Frame
from lgvsc.semantics.passages import Sighting

Look: TypeAlias = NDArray[np.float32]

SIDE = 3  # samples before, and from a frame on, whose looks are averaged
BEFORE, BEHIND = 9, 5  # samples that must not be more of a turn: those of two seconds before, and of one behind it


@runtime_checkable
class SeesWhole(Protocol):
    """A captioner that has a look of a picture as a whole: vectors of length 1, alike where pictures are."""

    def look_of(self, frame: Frame) -> Look | None:
        """The look of a frame; ``None`` where there is none to be had."""
        ...

    def at_turns(self) -> Captioner:
        """The same, describing pairs of which the second frame is known to be a turn."""
        ...


@runtime_checkable
class ScoresTurns(Protocol):
    """Has the divergence of a keyframe and each candidate that is a turn, and the look of a frame."""

    def look_of(self, frame: Frame) -> Look | None: ...

    def at_turns(self, keyframe: Frame, candidates: Sequence[Frame]) -> Sequence[float | None]: ...


def mark_turns(
    sightings: Iterable[Sighting],
    is_sampled: Callable[[Sighting], bool],
    is_shot: Callable[[Sighting], bool],
    look_of: Callable[[Frame], Look | None],
    least: float,
) -> Iterator[Sighting]:
    """The same frames, in order, of which the sampled ones know whether they are turns.

    Frames are held until the seventh sample after them is there. Where a new shot begins between two samples, its first
    frame stands for the second of them, and need not be more of a turn than the neighbours, nor have as many of them.
    The first frame in a new light need not look unlike.

    Args:
        is_sampled: Whether anybody looks at a frame, were it not the first of a shot.
        is_shot: Whether somebody does as it is.
        look_of: The look of a sampled frame.
        least: Unlikeness of both sides, 1 less their cosine, from which there is a turn.
    """
    held: deque[Sighting] = deque()
    cuts: list[Sighting] = []  # since the last sample
    samples: deque[tuple[Sighting, Look, list[Sighting]]] = deque()  # those that still count, from number `start` on
    start = waiting = count = 0  # numbers of samples: the oldest that is kept, the next to be decided, all so far
    turned: dict[int, float] = {}
    opened: list[int] = []  # numbers of the samples for which a new shot stands

    def unlikeness(number: int) -> float:
        if number not in turned:
            looks = [look for _, look, _ in samples]
            before, behind = looks[max(0, number - SIDE - start) : number - start], looks[number - start :][:SIDE]
            turned[number] = apart(before, behind) if before and behind else 0.0
        return turned[number]

    def decide(number: int, known: int) -> None:
        one, _, shots = samples[number - start]
        begun = max((shot for shot in opened if shot <= number), default=0)
        ends = min((shot for shot in opened if shot > number), default=known)
        near = range(max(begun + SIDE, number - BEFORE), min(ends - SIDE, number + BEHIND) + 1)
        here = unlikeness(number)
        most = here >= max(map(unlikeness, near), default=0.0)
        one.turn = most and (one.role == "settled" or (not shots and number in near and here > least))
        for shot in shots:
            shot.turn = shot is shots[-1] and here > least

    for sighting in sightings:
        held.append(sighting)
        look = look_of(sighting.frame) if is_sampled(sighting) else None
        if look is not None:
            shots = [*cuts, sighting] if sighting.cut else cuts
            samples.append((sighting, look, shots))
            opened += [count] if shots else []
            cuts = []
            count += 1
        elif is_shot(sighting):
            cuts.append(sighting)
        while count - waiting >= BEHIND + SIDE:
            decide(waiting, count)
            waiting += 1
            for old in [number for number in turned if number < waiting - BEFORE]:
                del turned[old]
            del opened[: max(0, sum(shot < waiting for shot in opened) - 1)]
            while start < waiting - BEFORE - SIDE:
                samples.popleft()
                start += 1
        known_to = samples[waiting - 1 - start][0].frame.index if waiting else -1
        while held and (not count or held[0].frame.index <= known_to):
            yield held.popleft()
    while waiting < count:
        decide(waiting, count)
        waiting += 1
    yield from held


def apart(before: list[Look], behind: list[Look]) -> float:
    """1 less the cosine of the mean looks of both sides."""
    a, b = np.mean(before, axis=0), np.mean(behind, axis=0)
    return float(1.0 - a @ b / max(1e-9, float(np.linalg.norm(a) * np.linalg.norm(b))))
