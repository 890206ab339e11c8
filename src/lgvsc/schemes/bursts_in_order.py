"""Bursts of a stream in the order of the video, whatever the order in which they arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from lgvsc.coding.burst.control import Control
from lgvsc.coding.burst.control_block import MAX_CONTROL_SYMBOLS
from lgvsc.coding.burst.framing import ControlRead, bursts
from lgvsc.core.air import Reception
from lgvsc.core.message import Segment
from lgvsc.world.spans import in_order

AnyControl = TypeVar("AnyControl", bound=Control)
Content = TypeVar("Content")


def bursts_in_order(
    receptions: Iterable[Reception],
    read_control: Callable[[Reception], ControlRead[AnyControl] | None],
    hear: Callable[[AnyControl, Reception], tuple[Segment, Content]],
) -> Iterator[tuple[Segment, AnyControl, Content]]:
    """Segments whose control could be read, each with its control block and what was heard of its body.

    Args:
        receptions: What arrives, in pieces of any size.
        read_control: What follows a preamble, as control; ``None`` where it is none.
        hear: Makes a segment and its content of a burst, as soon as it has arrived.
    """
    waiting: dict[int, tuple[AnyControl, Content]] = {}

    def segments() -> Iterator[Segment]:
        for control, body in bursts(receptions, read_control, control_symbols=MAX_CONTROL_SYMBOLS):
            segment, content = hear(control, body)
            waiting[control.start] = control, content
            yield segment

    for segment in in_order(segments()):
        control, content = waiting[segment.start]
        for start in [start for start in waiting if start <= segment.start]:
            del waiting[start]
        yield segment, control, content
