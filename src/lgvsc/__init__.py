"""lgvsc: video as meaning. Captions and a few keyframes cross the channel; a world model makes the video.

>>> import lgvsc
>>> record = lgvsc.run("walk.mp4", snr_db=6, output="walk.rebuilt.mp4")     # doctest: +SKIP
>>> record.report()["cbr"]                                                  # doctest: +SKIP

Or the three parts of the link one by one, each perhaps on a machine of its own:

>>> ledger = lgvsc.send("walk.mp4", "tx")                                   # doctest: +SKIP
>>> lgvsc.cross("tx", "rx", snr_db=6)                                       # doctest: +SKIP
>>> lgvsc.receive("rx", "walk.rebuilt.mp4").lines()                         # doctest: +SKIP

Importing this package imports nothing else; each public name loads what it needs when it is first used.

More than fifteen files, as a file here puts stages together for one use, or plans what they send.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lgvsc.api import cross as cross
    from lgvsc.api import find_keyframes as find_keyframes
    from lgvsc.api import receive as receive
    from lgvsc.api import run as run
    from lgvsc.api import send as send
    from lgvsc.config import Config as Config
    from lgvsc.config import load_config as load_config
    from lgvsc.core.container import read_message as read_message
    from lgvsc.core.video import Video as Video
    from lgvsc.core.video import read_video as read_video
    from lgvsc.core.video import write_video as write_video
    from lgvsc.errors import LgvscError as LgvscError

__version__ = "0.1.0"

_HOME = {
    "Config": "lgvsc.config",
    "LgvscError": "lgvsc.errors",
    "Video": "lgvsc.core.video",
    "cross": "lgvsc.api",
    "find_keyframes": "lgvsc.api",
    "load_config": "lgvsc.config",
    "read_message": "lgvsc.core.container",
    "read_video": "lgvsc.core.video",
    "receive": "lgvsc.api",
    "run": "lgvsc.api",
    "send": "lgvsc.api",
    "write_video": "lgvsc.core.video",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lgvsc' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
