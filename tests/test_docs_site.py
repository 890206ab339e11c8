"""The site builds without a warning, and whoever reads it asks nobody else for anything."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=\"((?:https?:)?//[^\"]+)\"")

pytest.importorskip("mkdocs", reason="needs mkdocs: pip install 'lgvsc[docs]'")
pytest.importorskip("mkdocstrings", reason="needs mkdocstrings: pip install 'lgvsc[docs]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_there_and_asks_for_nothing_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 80
    for page in pages:
        foreign = SERVED.findall(page.read_text(encoding="utf-8"))
        assert not foreign, (page, foreign)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\"?https?:|@import", sheet.read_text(encoding="utf-8")), sheet


def test_pages_that_live_elsewhere_take_part_and_docstrings_are_the_reference(site):
    start = (site / "index.html").read_text(encoding="utf-8")
    assert "Send video as meaning" in start and 'href="reference/link.html"' in start
    assert "To add a scheme" in (site / "contributing.html").read_text(encoding="utf-8")
    assert "noise variance" in (site / "reference" / "channel.awgn.html").read_text(encoding="utf-8")
    commands = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    assert "lgvsc models pull" in commands and "--zmq" in commands
    assert len(list((site / "cards").glob("*.html"))) > 10
