"""Files appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lgvsc.errors import ConfigError, InputError, OutputExistsError


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes its name when the block ends well, and leaves nothing behind when it does not."""
    part = part_path(path)
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def part_path(path: Path) -> Path:
    """Where a file is written before it takes its name: beside it, so that the rename is atomic."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def refuse_existing(*paths: Path | None, force: bool) -> None:
    """Check outputs before any work is done.

    Raises:
        OutputExistsError: One of them exists and ``force`` is off.
    """
    for path in paths:
        if path is not None and path.exists() and not force:
            raise OutputExistsError(path)


def check_outputs(*paths: Path | None, force: bool) -> None:
    """Check before any work is done that files can take these names.

    Raises:
        OutputExistsError: One of them exists and ``force`` is off.
        ConfigError: One of them is a folder, or would lie in one that is not there.
    """
    refuse_existing(*paths, force=force)
    for path in paths:
        if path is not None and path.is_dir():
            raise ConfigError(f"{path} is a folder; give the path of a file")
        if path is not None and not path.parent.is_dir():
            raise ConfigError(f"{path.parent} is not a folder; make it first, or give another path than {path}")


def rebuilt_path(video: Path) -> Path:
    """Where the rebuilt video goes unless told otherwise: beside the source.

    Raises:
        InputError: The path has no name, as that of a folder may not.
    """
    if not video.name:
        raise InputError(f"{video} is not a file; give the path of a video")
    return video.with_suffix(".rebuilt.mp4")
