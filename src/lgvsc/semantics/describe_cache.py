"""Descriptions of frames, each written once: in memory, and on disk for the next run."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lgvsc.core.cost import Cost
from lgvsc.core.files import atomic_write
from lgvsc.core.interfaces import FrameDescriber
from lgvsc.core.video import Frame

MAX_IN_MEMORY = 4096


class DescribeCache:
    """Remembers what a captioner said about a frame, under everything that the words depend on.

    On disk each description is a small JSON file, ``<captioner>/<frame>.json``, written whole or not at all, so several
    processes may share a folder. A file that cannot be read, or that belongs to another captioner, counts as absent.

    Args:
        folder: Where to keep them; ``None`` keeps them in memory only.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._memory: OrderedDict[tuple[str, str], str] = OrderedDict()

    def describe(self, captioner: FrameDescriber, frames: Sequence[Frame], cost: Cost) -> list[str]:
        """One description of each frame; only those are asked for that are not known."""
        identity = captioner.identity
        keys = [(digest(identity), frame_hash(frame)) for frame in frames]
        found = {key: self._recall(key, identity) for key in dict.fromkeys(keys)}
        new = {key: frame for key, frame in zip(keys, frames, strict=True) if found[key] is None}
        cost.remembered += len(frames) - len(new)
        for key, text in zip(new, captioner.describe(list(new.values())) if new else [], strict=True):
            found[key] = text
            self._remember(key, identity, text)
        return [found[key] or "" for key in keys]

    def _recall(self, key: tuple[str, str], identity: dict[str, Any]) -> str | None:
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        if self._folder is None:
            return None
        try:
            entry = json.loads(self._path(key).read_text("utf-8"))
            text = entry["text"] if entry["captioner"] == identity else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return text if isinstance(text, str) else None

    def _remember(self, key: tuple[str, str], identity: dict[str, Any], text: str) -> None:
        self._memory[key] = text
        while len(self._memory) > MAX_IN_MEMORY:
            self._memory.popitem(last=False)
        if self._folder is not None:
            path = self._path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write(json.dumps({"captioner": identity, "text": text}, ensure_ascii=False).encode())

    def _path(self, key: tuple[str, str]) -> Path:
        assert self._folder is not None
        return self._folder / key[0][:16] / f"{key[1]}.json"


def frame_hash(frame: Frame) -> str:
    """SHA-256 of the pixels and their shape."""
    shape = repr(frame.pixels.shape).encode()
    return hashlib.sha256(shape + frame.pixels.tobytes()).hexdigest()


def digest(identity: dict[str, Any]) -> str:
    """SHA-256 of an identity, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
