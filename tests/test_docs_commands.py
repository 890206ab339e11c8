"""Every block of commands on a page runs, or says above it why not.

A block stands under ``<!-- run -->``, ``<!-- run: slow -->`` or ``<!-- not run: the reason -->``. On the pages at the
top of the repository, where no such words are wanted, it is slow. Blocks of one page run one after the other in one
folder, in which there is a short made clip under the names that the pages use; those of the tutorial share theirs.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import numpy as np
import pytest
import typer

from lgvsc.cli.main import app
from lgvsc.core.video import Video, write_video
from lgvsc.errors import LgvscError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?:<!-- ((?:not )?run\b[^>]*?) -->\n)?^```(sh|bash|python)\n(.*?)^```", re.S | re.M)
COMMANDS = typer.main.get_command(app).commands


class Block(NamedTuple):
    page: str
    mark: str
    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    name = str(page.relative_to(ROOT))
    assumed = "run: slow" if page.parent == ROOT else ""
    return [Block(name, mark or assumed, *rest) for mark, *rest in BLOCK.findall(page.read_text(encoding="utf-8"))]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def pages_with(*marks: str) -> list[str]:
    found = [block.page for block in BLOCKS if block.mark in marks]
    tutorial = [page for page in found if page.startswith("docs/tutorial/")]
    return sorted({page for page in found if page not in tutorial} | ({"docs/tutorial/"} if tutorial else set()))


def test_every_block_says_whether_it_runs():
    assert len(BLOCKS) > 30
    for block in BLOCKS:
        reason = block.mark.removeprefix("not run:")
        assert block.mark in ("run", "run: slow") or (reason != block.mark and len(reason.split()) > 2), (
            f"{block.page}: put <!-- run -->, <!-- run: slow --> or <!-- not run: why --> above\n{block.text}"
        )


def test_every_command_and_option_that_is_shown_exists_run_or_not():
    shown = 0
    for block in BLOCKS:
        for words in (command for command in commands_in(block) if command[0] == "lgvsc"):
            shown += 1
            command = COMMANDS[words[1]] if words[1:] else None
            for word in words[2:]:
                command = getattr(command, "commands", {}).get(word, command)
            known = {name for parameter in getattr(command, "params", []) for name in parameter.opts} | {"--help"}
            for word in words[2:]:
                option = word.split("=")[0]
                assert not re.match(r"--?[a-z]", option) or option in known, f"{block.page}: {' '.join(words)}"
    assert shown > 60


def test_what_is_installed_and_made_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    for block in BLOCKS:
        for words in commands_in(block):
            wanted = [extra for word in words for extra in re.findall(r"^lgvsc\[([a-z,]+)\]", word)]
            assert {name for each in wanted for name in each.split(",")} <= set(extras), words
            assert words[0] != "make" or set(words[1:]) <= set(targets), words


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Half a second of a picture that glides: long enough for everything that a page does."""
    path = tmp_path_factory.mktemp("made") / "clip.mp4"
    picture = np.kron(np.random.default_rng(3).integers(40, 215, (12, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    write_video(path, Video(np.stack([np.roll(picture, i, axis=1) for i in range(12)]), Fraction(24)))
    return path


@pytest.fixture
def folder(tmp_path, made, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    for name in ("walk.mp4", "clip.mp4", "a.mp4", "b.mp4", "clips/one.mp4", "clips/two.mp4"):
        (tmp_path / name).write_bytes(made.read_bytes())
    return tmp_path


@pytest.mark.parametrize("page", pages_with("run"))
def test_the_quick_blocks_run(page, folder):
    run(page, folder, {"run"})


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("run: slow"))
def test_all_blocks_run(page, folder):
    run(page, folder, {"run", "run: slow"})


def run(page: str, folder: Path, marks: set[str]) -> None:
    done = 0
    for block in BLOCKS:
        if not block.page.startswith(page) or block.mark not in marks:
            continue
        done += 1
        if block.language == "python":
            for old in folder.glob("*.rebuilt.*"):  # what an earlier block made; Python examples keep what is there
                old.unlink()
            exec(compile(block.text, block.page, "exec"), {"__name__": "page"})
            continue
        for words in commands_in(block):
            execute(words, block.page)
    assert done


def commands_in(block: Block) -> list[list[str]]:
    """Words of each command; comments are left out, and so is what ``|| echo`` would say."""
    if block.language == "python":
        return []
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.split(" || ")[0] + (" ||" if " || " in line else ""), comments=True)
        for part in " ".join(f"\0{word}" for word in words).split(" \0&&"):
            one = [word for word in part.strip("\0").replace(" \0", "\0").split("\0") if word]
            if one:
                found.append(one)
    return found


def execute(words: list[str], page: str) -> None:
    """In this process where it is ours: most of a command's time is spent on loading what is loaded here already."""
    may_fail = words[-1] == "||"
    words = words[:-1] if may_fail else words
    if words[0] in ("make", "pip"):
        return  # see test_what_is_installed_and_made_exists; CI runs both targets
    if words[0] != "lgvsc":
        subprocess.run(words, check=True)
        return
    arguments = [
        each for word in words[1:] for each in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
    ]
    if words[1] == "ui":
        serve(arguments)
        return
    takes_force = "--force" in {name for parameter in COMMANDS[words[1]].params for name in parameter.opts}
    arguments += ["--force"] * (takes_force and "--force" not in arguments)  # an earlier block may have written it
    try:
        typer.main.get_command(app).main(arguments, "lgvsc", standalone_mode=False)
    except LgvscError as error:
        assert may_fail, f"{page}: {' '.join(words)}: {error}"


def serve(arguments: list[str]) -> None:
    """Begin what goes on until it is stopped, look once, and stop it."""
    pytest.importorskip("gradio", reason="pip install 'lgvsc[ui]'")
    command = [sys.executable, "-m", "lgvsc", *arguments, "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        with urlopen(address) as page:
            assert page.status == 200 and b"lgvsc" in page.read()
    finally:
        process.terminate()
        process.wait(30)
