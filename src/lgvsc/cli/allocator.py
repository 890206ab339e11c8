"""How the C library's allocator shares memory among threads."""

from __future__ import annotations

import ctypes
import os
import sys

M_ARENA_MAX = -8  # of glibc's malloc.h


def share_arenas(most: int = 2) -> bool:
    """Let all threads of the process share so many arenas, and say whether this C library could be told.

    Unless told, glibc gives each thread an arena of its own and keeps in each what was freed there. Networks that run
    in a few threads by turns then hold their largest maps several times over. To be called before threads begin; who
    sets ``MALLOC_ARENA_MAX`` in the environment has decided, and nothing is changed.
    """
    if "MALLOC_ARENA_MAX" in os.environ or not sys.platform.startswith("linux"):
        return False
    tell = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return tell is not None and tell(M_ARENA_MAX, most) == 1
