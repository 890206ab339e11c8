"""How a segment of any length becomes latent clips for Open-Sora 1.2: lengths, places of the keyframes, rounds.

Arithmetic only. Its autoencoder knows chunks of 17 frames and its transformer any number of latents; what the release
lacks are a place for the keyframe *after* the segment, a rule for short segments and one for long ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lgvsc.core.interfaces import Conditions
from lgvsc.core.video import Pixels
from lgvsc.nets.opensora_vae import CHUNK_FRAMES, latent_frames

EndAnchor: TypeAlias = Literal["appended", "last_latent", "static_tail"]
Closing: TypeAlias = Literal["none", "after", "within"]

END_ANCHORS: tuple[EndAnchor, ...] = ("appended", "last_latent", "static_tail")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """Frames that belong together: a segment, or what lies on one side of a hard cut in it.

    Attributes:
        frames: How many come out.
        first: Picture of the first one.
        last: Picture of the frame after the last one (``closing`` is ``"after"``) or of the last one (``"within"``).
    """

    frames: int
    first: Pixels | None
    last: Pixels | None
    closing: Closing


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One call of the sampler.

    Attributes:
        frames: How many new frames come out of the clip's latents; more may be made and are cut off at the end.
        context: Frames of the round before that come in again, in front, as given latents: 0 or 17.
        made: New frames that the clip's latents stand for; ``context`` and an appended latent not counted.
        first: Latent 0 is the first keyframe.
        anchor: How the last keyframe is put in; ``None``: it is not.
        closing: The appended keyframe is a frame of the output too, after ``frames``.
    """

    frames: int
    context: int
    made: int
    first: bool
    anchor: EndAnchor | None
    closing: bool

    @property
    def context_latents(self) -> int:
        return latent_frames(self.context)

    @property
    def clip_latents(self) -> int:
        """Latents that are decoded, with the context's."""
        return self.context_latents + latent_frames(self.made)

    @property
    def latents(self) -> int:
        """T of the latent that is sampled."""
        return self.clip_latents + (self.anchor == "appended")

    @property
    def given(self) -> list[int]:
        """Latents that are not made."""
        return sorted(
            {*range(self.context_latents), *([0] if self.first else []), *([self.latents - 1] if self.anchor else [])}
        )

    @property
    def blended(self) -> bool:
        """The clip is its two keyframes' latents and nothing between, so there is nothing that the sampler could do."""
        return self.first and self.clip_latents > 1 and len(self.given) == self.latents

    @property
    def times_frames(self) -> int:
        """n of the sampling times; an appended keyframe is a frame too."""
        return self.context + self.made + (self.anchor == "appended")


def shots(conditions: Conditions) -> list[Shot]:
    """What can be made in one piece: nothing is carried across a hard cut."""
    c = conditions
    closing: Closing = "none" if c.last is None else "after" if c.last_index >= c.stop else "within"
    if c.cut is None or not c.start < c.cut <= c.stop:
        return [Shot(frames=c.stop - c.start, first=c.first, last=c.last, closing=closing)]
    sides = [
        Shot(frames=c.cut - c.start, first=c.first, last=None, closing="none"),
        Shot(frames=c.stop - c.cut, first=None, last=c.last, closing=closing),
    ]
    return [shot for shot in sides if shot.frames]


def rounds(frames: int, first: bool, closing: Closing, anchor: EndAnchor, max_frames: int) -> list[Round]:
    """The calls of the sampler that make ``frames`` frames.

    Args:
        first: There is a first keyframe.
        closing: Where the last keyframe is, if there is one.
        anchor: How it is put in.
        max_frames: Frames that the model is trusted with at a time. What is longer is made round by round, each
            beginning with the last 17 frames of the one before.
    """
    apart = anchor == "appended" and closing == "within"  # the last frame is the appended latent's own picture
    parts = split(frames - apart, max_frames)
    made: list[Round] = []
    for index, part in enumerate(parts):
        final = index == len(parts) - 1
        anchored = anchor if final and closing != "none" else None
        length = part + (anchored is not None and anchor != "appended" and closing == "after")
        opening = first and index == 0 and part > 0
        if opening:
            length = whole_chunk(length)
        if anchored not in (None, "appended") and opening and latent_frames(length) == 1:
            anchored = None  # a single latent: the first keyframe has it
        made.append(
            Round(
                frames=part,
                context=CHUNK_FRAMES if index else 0,
                made=length,
                first=opening,
                anchor=anchored,
                closing=apart and final,
            )
        )
    return made


def split(frames: int, max_frames: int) -> list[int]:
    """New frames of each round, as equal as can be, such that no clip is longer than ``max_frames``."""
    if frames <= max_frames:
        return [frames]
    count = -(-(frames - CHUNK_FRAMES) // (max_frames - CHUNK_FRAMES))
    clip = -(-(frames + CHUNK_FRAMES * (count - 1)) // count)
    parts = [clip] + [clip - CHUNK_FRAMES] * (count - 1)
    for index in range(sum(parts) - frames):
        parts[-1 - index] -= 1
    return parts


def whole_chunk(frames: int) -> int:
    """How many frames to make so that the first latent stands for the first frame alone.

    From 17 frames on it always does. Below, it stands for two to four frames unless one is left over after fours, and a
    keyframe's own latent would stand for all of them; so the next of 5, 9, 13 and 17 is made, and the tail is cut off.
    """
    return frames if frames >= CHUNK_FRAMES else 4 * -(-(frames - 1) // 4) + 1
