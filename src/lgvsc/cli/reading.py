"""What the command line says of a video before and after it is sent: changes on reading, and how large it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lgvsc.cli.options import note

if TYPE_CHECKING:
    from lgvsc.core.video import VideoFormat

LARGE_SIDE = 720  # from here up a video takes long
SMALLER_SIDE = 480


class Sayer:
    """Says each sentence about a video once, on stderr."""

    def __init__(self, video: Path) -> None:
        self.video, self._said = video, set[str]()

    def __call__(self, notes: Iterable[str]) -> None:
        for sentence in notes:
            if sentence not in self._said:
                self._said.add(sentence)
                note(f"{self.video.name}: {sentence}")


def size_hint(video: VideoFormat) -> str | None:
    """How a large video is made smaller; ``None`` for a small one."""
    side = max(video.height, video.width)
    if side <= LARGE_SIDE:
        return None
    times = (side / SMALLER_SIDE) ** 2
    return (
        f"{video.width}x{video.height} takes long; --max-side {SMALLER_SIDE} sends it smaller, about {times:.0f} times "
        "as fast, with CBR and metrics over the smaller video"
    )


def say_notes(video: Path, notes: Iterable[str]) -> None:
    """What was changed on reading a video, a line each."""
    Sayer(video)(notes)


def read_through(videos: Iterable[Path], max_side: int = 0) -> None:
    """Read whole videos once and say what was changed; those that are none are left to whoever works on them."""
    from lgvsc.core.video import VideoReader
    from lgvsc.errors import InputError

    for video in videos:
        try:
            with VideoReader(video, max_side=max_side) as reader:
                for _ in reader:
                    pass
                say_notes(video, reader.notes)
        except InputError:
            continue


def on_open(
    video: Path, quiet: bool, show: Callable[[int, int | None], None] | None = None
) -> Callable[[VideoFormat, list[str]], None]:
    """What a link calls with format and notes of its source, at the beginning and again at the end.

    Args:
        show: The progress, which begins then: before the first frame a large video takes a minute.
    """
    say, begun = Sayer(video), False

    def opened(format: VideoFormat, notes: list[str]) -> None:
        nonlocal begun
        say(notes)
        hint = size_hint(format)
        if hint and not quiet:
            say([hint])
        if show and not begun:
            show(0, format.frames)
        begun = True

    return opened
