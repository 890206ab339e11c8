"""SVT-AV1 writes two dozen lines to the error stream for every encoder that is opened; here it is told to be quiet.

Its own switch is an environment variable, which is the user's and not a library's to set, and FFmpeg does not pass
its log level on. The library offers a callback instead.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

import av


@lru_cache(maxsize=1)
def silence_svt_av1() -> bool:
    """Send what SVT-AV1 logs nowhere, from now on. False where the library is not found beside PyAV; that does no harm.

    The callback is a function of the C library that takes no argument and has no effect. One written in Python would
    need the interpreter's lock in SVT-AV1's own threads, while PyAV waits for them.
    """
    package = Path(av.__file__).parent
    for folder in (package.parent / "av.libs", package / ".dylibs"):  # Linux and Windows, macOS
        for library in folder.glob("*SvtAv1Enc*"):
            try:
                set_callback = ctypes.CDLL(str(library)).svt_av1_set_log_callback
                nothing = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)
            except (AttributeError, OSError, TypeError):
                continue
            set_callback.argtypes, set_callback.restype = (ctypes.c_void_p, ctypes.c_void_p), None
            set_callback(nothing, None)
            return True
    return False
