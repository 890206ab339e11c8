"""Files appear whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lgvsc.errors import ConfigError, InputError, OutputExistsError

URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:/")  # of a path: pathlib has made one slash of two
MAX_NAME_BYTES = 255
PART = re.compile(r"\.(.+)\.\d+\.part")
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}  # of videos, by suffix


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
    tail = f".{os.getpid()}.part"
    name = path.name
    while len(f".{name}{tail}".encode()) > MAX_NAME_BYTES:  # a name that is just short enough must not grow too long
        name = name[: len(name) * 3 // 4]
    return path.with_name(f".{name}{tail}")


def final_name(written: str) -> str:
    """The name that a file is to take, of the one under which it is written, as FFmpeg or the system gives that."""
    path = Path(written.removeprefix("file:"))
    while part := PART.fullmatch(path.name):
        path = path.with_name(part[1])
    return str(path)


def require_file(path: Path, what: str, remedy: str = "") -> Path:
    """The path, once it is known to be that of a file.

    Args:
        what: What should be in it, for the message: "a video".
        remedy: What to do where it is none, if that is more than to give its path.

    Raises:
        InputError: It is a URL, a folder, a pipe, or not there.
    """
    if not in_utf8(path):
        raise InputError(f"the name {path} is not in UTF-8, so no report could give it; rename the file")
    try:
        if path.is_file():
            return path
        kind = "a folder, " if path.is_dir() else "a device or a pipe, " if path.exists() else ""
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise InputError(f"{path} is not a file that can be opened: {reason(error)}") from error
    refuse_url(path)
    raise InputError(f"{path} is {kind}not a file; {remedy or f'give the path of {what}'}")


def in_utf8(path: Path) -> bool:
    """Whether the characters of a path are such that text can hold them, which names of other systems may not be."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def require_files(paths: Iterable[Path], what: str) -> None:
    """The same of many, so that all are known before work begins.

    Raises:
        InputError: One of them is a URL, a folder, or not there.
    """
    for path in paths:
        require_file(path, what)


def refuse_url(path: Path) -> None:
    """Say of a URL that it is one.

    Raises:
        InputError: It is, and no file of this name is there.
    """
    if URL.match(str(path)) and not path.exists():
        raise InputError(
            f"{url_of(path)} is a URL, not a file; lgvsc opens no connections: download it and give its path"
        )


def url_of(path: Path) -> str:
    """A URL as it was written, of which a path has lost a stroke."""
    return re.sub(r"^([a-z][a-z0-9+.-]*):/+", r"\1://", str(path), flags=re.IGNORECASE)


def require_folder(path: Path, what: str) -> Path:
    """The path, once it is known to be that of a folder.

    Args:
        what: What should be in it, for the message: "clips".

    Raises:
        InputError: It is a URL, a file, or not there.
    """
    try:
        if path.is_dir():
            return path
    except OSError as error:
        raise InputError(f"{path} is not a folder that can be opened: {reason(error)}") from error
    refuse_url(path)
    raise InputError(f"{path} is not a folder; give the path of a folder of {what}")


def refuse_existing(*paths: Path | None, force: bool) -> None:
    """Check outputs before any work is done.

    Raises:
        OutputExistsError: One of them exists and ``force`` is off.
    """
    for path in paths:
        if path is not None and path.exists() and not force:
            raise OutputExistsError(path)


def check_outputs(*paths: Path | None, force: bool, inputs: Iterable[Path | None] = ()) -> None:
    """Check before any work is done that files can take these names, and that nothing is lost by it.

    Args:
        inputs: What the same command reads. It is never replaced, ``force`` or not, under whatever name.

    Raises:
        OutputExistsError: One of them exists and ``force`` is off.
        ConfigError: One of them is an input, or the same as another, or no file, or cannot be written.
    """
    outputs = [path for path in paths if path is not None]
    for path in outputs:
        if not in_utf8(path):
            raise ConfigError(f"the name {path} is not in UTF-8; give another output")
    refuse_inputs(outputs, inputs)
    for index, path in enumerate(outputs):
        if any(same_file(path, other) for other in outputs[:index]):
            raise ConfigError(f"two outputs would be {path}; give each its own name")
    for path in outputs:
        try:
            kept = path.exists()
        except OSError as error:  # a name that is too long, a folder that may not be looked into
            raise ConfigError(f"{path} cannot be written: {reason(error)}; give another path") from error
        if path.is_dir():
            raise ConfigError(f"{path} is a folder; give the path of a file")
        if kept and not path.is_file():
            raise ConfigError(f"{path} is a device or a pipe; outputs are files")
    refuse_existing(*outputs, force=force)
    for path in outputs:
        check_place(path)


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """Check that what a command writes is nothing that it reads, under whatever name.

    Raises:
        ConfigError: It is, or it is a URL.
    """
    sources = [path for path in inputs if path is not None]
    for path in outputs:
        if URL.match(str(path)):
            raise ConfigError(f"{url_of(path)} is a URL; outputs are files on this computer")
        for source in sources:
            if same_file(path, source):
                alias = "" if path == source else f", which is the input {source}"
                raise ConfigError(f"{path} would be replaced{alias or ', and it is an input'}; give another output")


def check_weights_folder(target: Path, *, force: bool, source: Path) -> None:
    """Check before any work that a folder of weights can be written, and that nothing else is lost by it.

    Args:
        source: What the weights are made of. It is never replaced, ``force`` or not.

    Raises:
        OutputExistsError: The folder exists and ``force`` is off.
        ConfigError: It is or holds the source, or something stands there that is no folder of weights.
    """
    if same_file(target, source) or source.resolve().is_relative_to(target.resolve()):
        raise ConfigError(f"{target} would be replaced, and {source} with it; give another output")
    refuse_existing(target, force=force)
    if target.exists() and not (
        target.is_dir() and (target / "config.json").is_file() and all(path.is_file() for path in target.iterdir())
    ):
        raise ConfigError(f"{target} is no folder of weights, so it is not replaced; give another output")


def check_place(path: Path) -> None:
    """Whether a file can be made there; tried out, as only that can tell.

    Raises:
        ConfigError: It cannot.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is not a folder; make it first, or give another path than {path}")
    part = part_path(path)
    try:
        part.touch()
        part.unlink()
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {reason(error)}; give another path") from error


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file: by name, by links of either kind, and also where it is yet to be made."""
    try:
        if one.resolve() == other.resolve():
            return True
        return one.samefile(other)
    except (OSError, RuntimeError):
        return False


def reason(error: OSError) -> str:
    """The system's words for what went wrong."""
    return (error.strerror or type(error).__name__).lower()


def check_suffix(path: Path) -> str:
    """FFmpeg's name of the container that the suffix of a video stands for.

    Raises:
        ConfigError: None that lgvsc can write.
    """
    kind = CONTAINERS.get(path.suffix.lower())
    if kind is None:
        what = f"{path.suffix} is no container that lgvsc writes" if path.suffix else "it has no suffix"
        raise ConfigError(f"{path} cannot be a video: {what}; the suffixes are {', '.join(CONTAINERS)}")
    return kind


def sidecar_of(video: Path) -> Path:
    """Where the statement about a video lies: ``out.mp4`` has ``out.provenance.json``."""
    return video.with_suffix(".provenance.json")


def make_folder(path: Path) -> None:
    """Make a folder for outputs where there is none, and see that files can be made in it.

    Raises:
        ConfigError: They cannot.
    """
    if URL.match(str(path)):
        raise ConfigError(f"{url_of(path)} is a URL; outputs are files on this computer")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be a folder for outputs: {reason(error)}; give another one") from error
    check_place(path / "x")


def refuse_doubles(paths: Iterable[Path], what: str) -> None:
    """Check that files whose names without suffix name outputs have different ones.

    Args:
        what: Would have one name, for the message: "messages".

    Raises:
        ConfigError: Two have the same.
    """
    seen: dict[str, Path] = {}
    for path in paths:
        other = seen.setdefault(path.stem, path)
        if other is not path:
            raise ConfigError(f"{other} and {path} are both called {path.stem}; their {what} would have one name")


def rebuilt_path(video: Path) -> Path:
    """Where the rebuilt video goes unless told otherwise: beside the source.

    Raises:
        InputError: The path has no name, as that of a folder may not.
    """
    if URL.match(str(video)):
        require_file(video, "a video")
    if not video.name:
        raise InputError(f"{video} is not a file; give the path of a video")
    return video.with_suffix(".rebuilt.mp4")
