"""Every page is reached from docs/index.md, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INDEX = ROOT / "docs" / "index.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def links(page: Path) -> list[Path]:
    return [(page.parent / target).resolve() for target in LINK.findall(page.read_text(encoding="utf-8"))]


def test_no_page_is_unreachable():
    seen: set[Path] = set()
    ahead = [INDEX]
    while ahead:
        page = ahead.pop()
        if page not in seen:
            seen.add(page)
            ahead += [target for target in links(page) if target.suffix == ".md" and target.is_file()]
    assert len(PAGES) > 20
    unreachable = set(PAGES) - seen
    assert not unreachable, f"docs/index.md leads to none of {sorted(map(str, unreachable))}"


def test_the_readme_leads_to_the_index():
    assert INDEX in links(ROOT / "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    missing = [str(target) for target in links(page) if not target.exists()]
    assert not missing, missing


def test_contributing_names_files_that_exist():
    """A path is whole, or stands under ``src/lgvsc``; words in capitals are for the reader to fill in."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = [path for path in re.findall(r"`([\w./-]+\.(?:py|toml))`", text) if not re.search(r"\b[A-Z]+\b", path)]
    assert len(paths) > 8
    missing = [path for path in paths if not ((ROOT / path).exists() or (ROOT / "src/lgvsc" / path).exists())]
    assert not missing, missing
