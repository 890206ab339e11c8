"""How long the world model's latent is for each segment: fixed for the video (SFA), or sized per segment (DSA)."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from lgvsc.core.interfaces import WorldModel
from lgvsc.errors import ConfigError

AdapterName: TypeAlias = Literal["sfa", "dsa"]

ADAPTERS: tuple[AdapterName, ...] = ("sfa", "dsa")


class Adapter(Protocol):
    """Sizes the latents of one video; make a new one for each video."""

    name: AdapterName

    def latent_frames(self, frames: int, *, final: bool = False) -> int:
        """Temporal size of the latent for the next segment, in the world model's own units.

        Args:
            frames: Length of the segment.
            final: Whether the video ends with it.
        """
        ...


class DynamicAdapter:
    """DSA: every segment gets a latent of its own length; the weights stay the same.

    Source: Ma et al. 2026 (arXiv:2606.12899), section II-D2.
    """

    name: AdapterName = "dsa"

    def __init__(self, world: WorldModel) -> None:
        self._world = world

    def latent_frames(self, frames: int, *, final: bool = False) -> int:
        return self._world.latent_frames(frames)


class StaticAdapter:
    """SFA: the first segment fixes the latent's length for the whole video.

    The one exception is the final segment, which ends where the video does: with N segments of
    ``ceil(F / N)`` frames it is shorter wherever N does not divide F (and longer where the source turned out
    longer than announced). It is sized as DSA sizes it, which keeps the two equal, bit for bit, on SKIM's segments.

    Source: Ma et al. 2026 (arXiv:2606.12899), section II-D1 and Appendix E.
    """

    name: AdapterName = "sfa"

    def __init__(self, world: WorldModel) -> None:
        self._world = world
        self._frames: int | None = None

    def latent_frames(self, frames: int, *, final: bool = False) -> int:
        """As in :class:`Adapter`.

        Raises:
            ConfigError: The segment's length is not the first one's.
        """
        if self._frames is None:
            self._frames = frames
        elif frames != self._frames and not final:
            raise ConfigError(
                f"adapter 'sfa' is fixed at segments of {self._frames} frames, but this one has {frames}; a latent "
                "of fixed length takes no other without cutting it short or padding it. "
                "Use adapter = 'dsa', or keyframes.method = 'skim'"
            )
        return self._world.latent_frames(frames)


def make_adapter(name: AdapterName, world: WorldModel) -> Adapter:
    """The adapter called ``name``, fresh for one video."""
    return StaticAdapter(world) if name == "sfa" else DynamicAdapter(world)


def check_combination(method: str, adapter: str) -> None:
    """Refuse keyframe selection and adapter that cannot work together, before anything runs.

    Args:
        method: ``"skem"`` or ``"skim"``.
        adapter: ``"sfa"`` or ``"dsa"``.

    Raises:
        ConfigError: SKEM with SFA. Source: Ma et al. 2026 (arXiv:2606.12899), Appendix E, Table VII.
    """
    if method == "skem" and adapter == "sfa":
        raise ConfigError(
            "SKEM makes segments of unequal length, but adapter 'sfa' needs equal ones: a fixed latent would have to "
            "cut long segments short or pad short ones. Use adapter = 'dsa', or keyframes.method = 'skim'"
        )
