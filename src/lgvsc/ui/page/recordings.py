"""A recording as one file, to be taken away and brought back: the ``.sigmf`` archive of the SigMF standard, a tar."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lgvsc.channel.sigmf import SigmfPaths
from lgvsc.errors import InputError

SUFFIX = ".sigmf"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}\.(sigmf-data|sigmf-meta|lgvsc-n0)")
MAX_BYTES = 64 << 20  # of all files of a recording: minutes of video
MAX_MEMBERS = 16
NOT_ONE = f"a recording is one {SUFFIX} file, as the page gives it, or a .sigmf-data file with its .sigmf-meta"


def pack(stem: Path, archive: Path) -> None:
    """Put the files of a recording into an archive, in a folder of its name, as the standard asks."""
    paths = SigmfPaths.of(stem)
    with tarfile.open(archive, "w") as tar:
        for path in (paths.meta, paths.data, paths.variance):
            if path.exists():
                tar.add(path, arcname=f"{stem.name}/{path.name}", filter=anonymous)


def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without whose it was and when."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def unpack(uploads: Sequence[Path], folder: Path) -> Path:
    """Lay an uploaded recording, archive or loose files, into an empty folder.

    Returns:
        Its stem. The recording's own name stays where it is harmless, as its metadata may name a file beside it.

    Raises:
        InputError: It is no recording, has parts of no known kind, or is too large.
    """
    if len(uploads) == 1 and tarfile.is_tarfile(uploads[0]):
        _unpack_archive(uploads[0], folder)
    else:
        for upload in uploads:
            if upload.stat().st_size > MAX_BYTES:
                raise InputError(f"the recording is larger than {MAX_BYTES >> 20} MB")
            shutil.copyfile(upload, folder / safe_name(upload.name))
    stems = {path.stem for path in folder.iterdir()}
    paths = SigmfPaths.of(folder / min(stems, default="none"))
    if len(stems) > 1:
        raise InputError(f"these are files of {len(stems)} recordings; {NOT_ONE}")
    if not (paths.meta.exists() and paths.data.exists()):
        raise InputError(f"half of the recording is missing; {NOT_ONE}")
    return folder / min(stems)


def safe_name(name: str) -> str:
    """The name of a recording's file without its folders.

    Raises:
        InputError: It is none, or has signs in it that a name of ours never has.
    """
    base = PurePosixPath(name).name
    if not NAME.fullmatch(base):
        raise InputError(f"{base[:60]!r} is no part of a recording; {NOT_ONE}")
    return base


def _unpack_archive(archive: Path, folder: Path) -> None:
    room, members = MAX_BYTES, 0
    try:
        with tarfile.open(archive, "r:") as tar:  # not compressed: what it holds is no larger than it is
            for member in tar:
                members += 1
                if member.isdir() and members <= MAX_MEMBERS:
                    continue
                place = folder / safe_name(member.name)
                if not member.isreg() or member.sparse or members > MAX_MEMBERS:
                    raise InputError(f"the archive holds more than files of a recording; {NOT_ONE}")
                room -= member.size
                if room < 0:
                    raise InputError(f"the recording is larger than {MAX_BYTES >> 20} MB")
                file = tar.extractfile(member)
                assert file is not None  # it is a regular file
                with file, place.open("wb") as copy:
                    shutil.copyfileobj(file, copy)
    except (tarfile.TarError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the archive is damaged; {NOT_ONE}") from error
