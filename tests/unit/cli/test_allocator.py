"""Arenas of glibc are counted by its own report, in a process with many threads."""

import os
import platform
import subprocess
import sys

import pytest

from lgvsc.cli.main import main

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")

COUNT = """
import ctypes, threading
from lgvsc.cli.allocator import share_arenas
told = {told}
together, done = threading.Barrier(13), threading.Barrier(13)
def work():
    kept = [bytes(5000) for _ in range(50)]
    together.wait()
    done.wait()
for _ in range(12):
    threading.Thread(target=work).start()
together.wait()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
done.wait()
print(told)
"""


def arenas(told, **environment):
    env = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"} | environment
    code = COUNT.format(told=told)
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    return out.count("<heap nr="), out.splitlines()[-1]


def test_threads_share_two_arenas():
    assert arenas("share_arenas()") == (2, "True")
    assert arenas("None")[0] > 2  # else this test would count nothing


def test_who_set_the_environment_has_decided():
    assert arenas("share_arenas()", MALLOC_ARENA_MAX="3") == (3, "False")


def test_the_command_line_lets_its_threads_share_them(monkeypatch):
    told = []
    monkeypatch.setattr("lgvsc.cli.main.share_arenas", lambda: told.append(True))
    monkeypatch.setattr("sys.argv", ["lgvsc", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert told == [True]
