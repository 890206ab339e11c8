"""What only passes: flashes, bare frames, fades, dissolves. Told from the next few frames, so that keyframes come where
the picture has arrived.

A frame leaves as soon as the next one is there, as long as the picture stays what it is. Where it jumps or begins to
lose contrast, frames are held until it is known what became of it:

===================================  ===========================================================================
what happened                        what is said about it
===================================  ===========================================================================
back again after one or two frames   they pass: nobody looks at them, nothing is measured on them
black, white, bare for longer        *departure* at the last frame before, *arrival* at the first bare one
bare, then a picture                 *arrival* where the picture stands in its full light
a longer flash                       *departure* before it, *arrival* at its first frame and where it is over
one picture dissolves into another   *departure* at the last frame before, *arrival* where the other one stands
any of these, but not evenly         besides, *bend* where an even fade would be farthest off
a sudden other light for good        *arrival* at its first frame
a gradual one                        what lies between passes, the frame where it has settled is looked at
light that flickers all the time     nothing
anything else                        nothing
===================================  ===========================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.bare import FLAT, spread
from lgvsc.core.video import Frame, Pixels, VideoFormat
from lgvsc.semantics.cuts import Glance, difference, glance

Role: TypeAlias = Literal["", "passing", "departure", "bend", "arrival", "settled"]

SHORT = 2  # frames that may be wrong without a word
JUMP = 30.0  # levels of light between two frames that are a flash, or its end
SHARP = 0.6  # of the way from a bare picture in one step: no fade
STANDS_OUT = 3.0  # times the steps before: a jump, not the steepest part of a fade
FLICKERS, TURNING = 0.25, 0.3  # of a jump, reached by half of the steps of light; share that turns back: it flickers
LEFT = 0.05  # of the way: a fade or dissolve has begun
STANDING = 0.1  # of the time that a dissolve took; so long it must be over to be known as one
FLASH_S = 0.3  # so long a jump may last and be over
DOUBT_S = 0.8  # so long what changes evenly may be a dissolve, though the picture is still there
FADING = 0.012  # of the contrast, lost from one frame to the next: a fade or a dissolve is suspected
FALLING = 0.97  # of the contrast three frames before: it goes on
CHANGED = 25.0  # levels; a light that has changed for good
STEADY, STEADY_SHARE = 3.0, 0.06  # levels, or of the contrast, over three frames: less is no change of light
NEAR, NEAR_SHARE = 2.0, 0.02  # levels, or of the whole change: a fade has arrived
FADES_OUT = 0.35  # of its mean pace: a fade that has become so slow is over
BACK = 0.25  # of a jump of light that may remain of it
ALIKE, ALIKE_LIGHT = 0.35, 12.0  # see :func:`~lgvsc.semantics.cuts.difference`, and levels: the picture is back
MOVES = 0.1  # see ``difference``: the picture moves, and none dissolves into it
OTHER = 0.5  # see ``difference``: another picture, however things have moved
CELLS = 16  # mixtures are recognised at this size, at which little things that move do not count
MIXING = 1.5  # levels by which cells differ from one frame to the next where a dissolve is suspected
ARRIVED, PURE, UNEVEN = 0.92, 0.4, 0.2  # of the way to the other picture; share that is no mixture; off an even pace
BENT = 14.0  # levels by which a fade may be off an even one
LONGEST_S = 2.0  # of a fade
MAX_HELD_BYTES = 128 << 20


@dataclass(slots=True, eq=False)
class Sighting:
    """A frame, and what part it plays.

    Attributes:
        frame: The frame.
        cut: Whether it begins a new shot.
        bare: Whether nothing can be seen in it.
        role: ``passing``, ``departure``, ``bend``, ``arrival``, ``settled``, or nothing in particular.
        fades: Whether a fade begins after this frame.
        announces: How many pictures arrive after this frame, and want keyframes as well; bare ones do not count.
        breaks: Nothing on one side of this frame's beginning says anything about the other: a cut, or the edge of a
            bare stretch or of a flash. A fade has none.
        turn: Whether what is shown becomes something else here, as far as anybody looked; see
            :mod:`~lgvsc.semantics.turns`. ``None``: nobody did.
    """

    frame: Frame
    cut: bool = False
    bare: bool = False
    role: Role = ""
    fades: bool = False
    announces: int = 0
    breaks: bool = False
    turn: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """A frame at a glance, and its light: mean of each colour, and contrast."""

    look: Glance
    mean: NDArray[np.float64]
    contrast: float
    cells: Pixels

    @classmethod
    def of(cls, frame: Frame) -> Light:
        look = glance(frame.pixels)
        cells = cv2.resize(look.small, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        return cls(look, np.asarray(cv2.mean(look.small)[:3]), spread(look.small), np.asarray(cells, np.uint8))

    @property
    def bare(self) -> bool:
        return self.contrast < FLAT

    def apart(self, other: Light) -> float:
        """How far two lights are apart, in levels: by colour, or by contrast, which counts twice."""
        return max(float(np.abs(self.mean - other.mean).max()), 2 * abs(self.contrast - other.contrast))

    def like(self, other: Light) -> bool:
        """Whether both show the same picture in the same light."""
        if self.bare != other.bare or self.apart(other) > ALIKE_LIGHT:
            return False
        return self.bare or difference(self.look, other.look, 0.7) < ALIKE

    def back_at(self, anchor: Light, since: Light) -> bool:
        """Whether this shows again what the anchor showed; more may differ than before the greater the jump was."""
        if self.bare != anchor.bare or self.apart(anchor) > max(ALIKE_LIGHT, BACK * since.apart(anchor)):
            return False
        return self.like(anchor) or 2 * difference(anchor.look, self.look, 0.7) < difference(
            anchor.look, since.look, 0.7
        )

    def moved(self, other: Light) -> float:
        """How far cells of the picture are apart, root mean square in levels."""
        return float(cv2.norm(self.cells, other.cells, cv2.NORM_L2) / self.cells.size**0.5)


def sightings(frames: Iterable[Frame], video: VideoFormat, is_cut: Callable[[Frame], bool]) -> Iterator[Sighting]:
    """Every frame in order with its part, each as soon as that is known: one frame late as a rule, 2 s at most."""
    return Passages(video, is_cut).watch(frames)


class Passages:
    """Holds frames while something passes.

    The first held frame is the anchor: the last one of which all is known.
    """

    def __init__(self, video: VideoFormat, is_cut: Callable[[Frame], bool]) -> None:
        self._is_cut = is_cut
        room = MAX_HELD_BYTES // max(1, 3 * video.height * video.width)
        self._flash = max(SHORT + 1, round(FLASH_S * video.fps))
        self._doubt = max(self._flash, round(DOUBT_S * video.fps))
        self._most = max(2 * SHORT + 2, min(round(LONGEST_S * video.fps), room))
        self._held: list[Sighting] = []
        self._lights: list[Light] = []
        self._latest: deque[Light] = deque(maxlen=2 * self._flash + 1)

    def watch(self, frames: Iterable[Frame]) -> Iterator[Sighting]:
        """See :func:`sightings`."""
        for frame in frames:
            light = Light.of(frame)
            cut = self._is_cut(frame)
            self._held.append(Sighting(frame, cut, light.bare, breaks=cut))
            self._lights.append(light)
            self._latest.append(light)
            if len(self._held) > 1:
                yield from self._release(self._known())
        if len(self._held) > 1:
            self._ended()
        yield from self._release(len(self._held))

    def _release(self, count: int) -> Iterator[Sighting]:
        yield from self._held[:count]
        del self._held[:count], self._lights[:count]

    def _known(self) -> int:
        """How many of the held frames may go, their parts written down; 0 waits for the next frame."""
        anchor, first, now = self._lights[0], self._lights[1], self._lights[-1]
        if len(self._held) == 2:
            begins = self._held[1].cut or first.bare != anchor.bare or first.apart(anchor) > JUMP
            fades = not anchor.bare and first.contrast < (1 - FADING) * anchor.contrast
            mixes = not (anchor.bare and first.bare) and first.moved(anchor) > MIXING
            return 0 if fades or mixes or (begins and not first.like(anchor)) else 1
        if self._interrupted():
            return self._broken_off()
        if now.back_at(anchor, since=first) or self._light_is_back:
            if any(not light.like(anchor) for light in self._lights[1:-1]):
                return self._returned()
            if not self._goes_on():
                return len(self._held) - 1
            moves = difference(anchor.look, now.look, 0.7) < MOVES
            return 1 if moves and len(self._held) > self._flash else 0
        if now.bare:
            return self._gone_bare()
        if anchor.bare:
            return self._come_from_bare()
        if any(light.bare for light in self._lights):
            return self._through_bare()
        return self._other_picture()

    @property
    def _jumped(self) -> bool:
        """Whether what is held began with a jump."""
        return self._lights[1].apart(self._lights[0]) > JUMP or self._cut_at(1)

    @property
    def _flickers(self) -> bool:
        """Whether the light goes up and down all the time, so that the jump with which this began says nothing."""
        jump = max(JUMP, self._lights[1].apart(self._lights[0]))
        steps = [after.apart(before) for before, after in pairwise(self._latest)]
        ups = np.diff([light.mean.sum() for light in self._latest])
        return float(np.median(steps)) > FLICKERS * jump and float(np.mean(ups[1:] * ups[:-1] < 0)) > TURNING

    @property
    def _light_is_back(self) -> bool:
        """Whether a flash is over, though the picture has moved meanwhile: no other scene, no other light.

        Of a longer one the scene behind it is a keyframe anyhow, so likeness may be in doubt.
        """
        anchor, first, now = self._lights[0], self._lights[1], self._lights[-1]
        return (
            not (anchor.bare or now.bare)
            and not any(one.cut for one in self._held[1:])
            and min(first.apart(anchor), first.apart(now)) > JUMP
            and now.apart(anchor) <= max(ALIKE_LIGHT, BACK * first.apart(anchor))
            and (len(self._held) - 2 > SHORT or difference(anchor.look, now.look, 0.7) < OTHER)
        )

    def _interrupted(self) -> bool:
        """Whether the picture has jumped while something slow was suspected."""
        if self._jumped:
            return False
        *slow, step = [after.apart(before) for before, after in pairwise(self._lights)]
        return step > max(JUMP, STANDS_OUT * max(slow)) or self._cut_at(-1)

    def _cut_at(self, at: int) -> bool:
        """Whether a new shot begins at a held frame, with all that is new in it, unlike in a dissolve."""
        lights = self._lights
        return self._held[at].cut and lights[at].moved(lights[at - 1]) > SHARP * lights[-1].moved(lights[0])

    def _broken_off(self) -> int:
        """Say what has become of the slow thing, and begin anew with the frame before the jump."""
        before = len(self._held) - 2
        if self._lights[before].apart(self._lights[0]) > CHANGED and not self._flickers:
            self._stretch(before)
        return before

    def _returned(self) -> int:
        """What lay between was a flash, a glitch, or nothing that matters."""
        away, lights = self._held[1:-1], self._lights
        if self._jumped or away[0].bare != self._held[0].bare:
            far = [light for light in lights[1:-1] if light.apart(lights[0]) > JUMP]
            if len(away) <= SHORT or 0 < len(far) <= SHORT:
                for one in away:
                    one.role, one.cut, one.breaks = "passing", False, False
            elif not self._flickers:
                self._stretch(1)
                behind = int(not self._held[-1].bare)  # what is back wants a keyframe, too
                self._held[0].announces += behind
                self._held[1].announces = behind
                self._held[-1].role, self._held[-1].breaks = "arrival", True
        return len(self._held) - 1

    def _gone_bare(self) -> int:
        """Bare for good where it stays what it is, or has been at its darkest."""
        lights, last = self._lights, len(self._lights) - 1
        bare = last
        while bare > 1 and lights[bare - 1].bare:
            bare -= 1
        barest = min(range(bare, last + 1), key=lambda i: lights[i].contrast)
        comes_back = not lights[0].bare and lights[last].apart(lights[barest]) > STEADY
        stays = last - bare >= SHORT and max(lights[-3].apart(lights[-1]), lights[-2].apart(lights[-1])) < STEADY
        if not (stays or comes_back) and last <= self._most:
            return 0
        there = barest if comes_back else last
        arrived = next(i for i in range(bare, last + 1) if lights[i].apart(lights[there]) <= STEADY)
        self._stretch(arrived)
        return arrived if comes_back else last

    def _through_bare(self) -> int:
        """From picture to picture through bare frames: so few that they only pass, or a fade out and in."""
        lights, passing = self._lights, len(self._lights) - 1
        bare = [i for i, light in enumerate(lights) if light.bare]
        if passing - bare[-1] < SHORT + 1:
            return 0
        if bare[0] == 1 and len(bare) <= SHORT and self._stands_at_once(bare[-1] + 1):
            self._leave(0, bare[-1] + 1, fades=False)
            for one in self._held[1 : bare[-1] + 1]:
                one.role, one.cut, one.breaks = "passing", False, False
            self._held[bare[-1] + 1].role, self._held[bare[-1] + 1].breaks = "arrival", True
            return bare[-1] + 1
        barest = min(bare, key=lambda i: lights[i].contrast)
        self._stretch(barest)
        return barest

    def _stands_at_once(self, seen: int) -> bool:
        """Whether a picture is there with its first frame, or comes little by little."""
        bare, first, later = self._lights[seen - 1], self._lights[seen], self._lights[seen + SHORT]
        return first.apart(bare) > SHARP * later.apart(bare)

    def _come_from_bare(self) -> int:
        """The picture has arrived where its light stays what it is."""
        lights, last = self._lights, len(self._lights) - 1
        seen = next(i for i, light in enumerate(lights) if i and not light.bare)
        if last - seen < SHORT:
            return 0
        if self._stands_at_once(seen):
            self._stretch(seen, at_once=True)
            return seen + 1
        gap = max(SHORT, last // 5)
        if lights[last - gap].apart(lights[last]) > self._steady(gap) and last < self._most:
            return 0
        near = max(NEAR, NEAR_SHARE * lights[0].apart(lights[last]))
        arrived = next(i for i in range(seen, last + 1) if lights[i].apart(lights[last]) <= near)
        self._stretch(arrived)
        return min(arrived + 1, last)

    def _other_picture(self) -> int:
        """A cut, a light that goes on, a fade or a dissolve on its way, or something that moves."""
        lights = self._lights
        passing, patient = len(lights) - 1, len(lights) <= self._most
        jumped = lights[1].apart(lights[0]) > JUMP
        if passing <= SHORT or (jumped and passing < self._flash):
            return 0
        if jumped:
            if not self._flickers:
                self._held[1].role, self._held[1].breaks = "arrival", True
            return passing
        share = mixture(lights)
        arrived = int(np.argmax(share >= ARRIVED)) if share is not None else 0
        stands = passing - arrived > 1 + STANDING * passing
        if arrived > 1 and stands and difference(lights[0].look, lights[-1].look, 0.7) > OTHER:
            self._stretch(arrived)
            return arrived + 1
        if patient and (self._goes_on() or arrived > 1):
            return 0
        if any(one.cut for one in self._held[1:]):
            return passing
        if lights[-3].apart(lights[-1]) <= self._steady(SHORT) and lights[-1].apart(lights[0]) > CHANGED:
            settled = next(i for i in range(1, len(lights)) if lights[i].apart(lights[-1]) <= self._steady(SHORT))
            for one in self._held[1:settled]:
                one.role = "passing"
            self._held[settled].role = "settled"
        return passing

    def _goes_on(self) -> bool:
        """Whether contrast is still being lost, or one picture gives way to another at an even pace."""
        lights = self._lights
        if lights[-1].contrast < FALLING * lights[max(0, len(lights) - 4)].contrast:
            return True
        share = mixture(lights)
        if share is None:
            return False
        even = np.abs(share - np.linspace(0, 1, len(share))).max() < UNEVEN
        return bool(even and (len(lights) <= self._doubt or not lights[-1].like(lights[0])))

    def _steady(self, gap: int) -> float:
        """How far light may go over so many frames that stays what it is."""
        first, last = self._lights[0], self._lights[-1]
        pace = first.apart(last) / (len(self._lights) - 1)
        return max(STEADY, STEADY_SHARE * last.contrast, FADES_OUT * gap * pace)

    def _stretch(self, arrived: int, at_once: bool = False) -> None:
        """From the anchor to where another stretch stands: at once, or by a fade, at which nobody looks."""
        at_once = at_once or arrived == 1
        left = arrived - 1 if at_once else self._left(arrived)
        self._leave(left, arrived, fades=not at_once)
        for one in self._held[left + 1 : arrived]:
            one.role, one.cut, one.breaks = "passing", False, False
        there = self._held[arrived]
        there.role, there.breaks, there.cut = "arrival", at_once, there.cut and at_once
        if not at_once:
            self._bend(left, arrived)

    def _bend(self, left: int, arrived: int) -> None:
        """Mark where a fade is farthest from an even one, if that shows."""
        on_the_way = self._lights[left : arrived + 1]
        share, _, levels = shares(on_the_way)
        off = np.abs(share - np.linspace(0, 1, len(share)))
        at = int(off.argmax())
        if levels * off[at] > BENT and len(share) > 2 * SHORT + 1:
            self._held[left + at].role, self._held[left + at].announces = "bend", int(not self._held[arrived].bare)

    def _left(self, arrived: int) -> int:
        """The last frame that shows what the anchor does, on the way to another one."""
        anchor, left = self._lights[0], 0
        near = max(STEADY, LEFT * anchor.apart(self._lights[arrived]))
        for light in self._lights[1 : arrived - 1]:
            if (
                light.bare != anchor.bare
                or light.apart(anchor) > near
                or difference(anchor.look, light.look, 0.7) > MOVES
            ):
                break
            left += 1
        return left

    def _leave(self, left: int, arrived: int, fades: bool) -> None:
        """A held frame is the last one of its stretch, and another is where the next one begins."""
        one = self._held[left]
        one.fades, one.announces = fades, int(not self._held[arrived].bare)
        if fades or not one.bare:
            one.role = one.role or "departure"

    def _ended(self) -> None:
        """The video ends before it was known what came of it. Its last frame is a keyframe, so say what leads there."""
        anchor, first, last = self._lights[0], self._lights[1], self._lights[-1]
        if last.like(anchor):
            if len(self._held) > 2:
                self._returned()
        elif (
            last.bare != anchor.bare
            or (last.apart(anchor) > CHANGED and not self._flickers)
            or self._held[1].cut
            or (mixture(self._lights) is not None and difference(anchor.look, last.look, 0.7) > OTHER)
        ):
            end = len(self._held) - 1
            if end == 1 or first.like(last):
                self._leave(0, end, fades=False)
                self._held[1].breaks = True
            else:
                self._stretch(end)
            self._held[end].role = ""
            for one in self._held:
                one.announces = 0  # the last frame is sent in any case


def mixture(lights: Sequence[Light]) -> NDArray[np.float32] | None:
    """The share of the last of these pictures in each, if all are mixtures of the first and the last."""
    share, rest, levels = shares(lights)
    return share if levels >= MIXING * len(lights) ** 0.5 and rest.max() < PURE else None


def shares(lights: Sequence[Light]) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """How far each is on the way from the first to the last, how far off it, and how long it is in levels."""
    away = np.stack([light.cells for light in lights]).astype(np.float32) - lights[0].cells
    away = away.reshape(len(lights), -1)
    length = max(float(np.linalg.norm(away[-1])), 1e-6)
    share = away @ away[-1] / length**2
    rest = np.linalg.norm(away - share[:, None] * away[-1], axis=1) / length
    return np.asarray(share, np.float32), np.asarray(rest, np.float32), length / away.shape[1] ** 0.5
