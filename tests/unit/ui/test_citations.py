"""What ``lgvsc cite`` prints, against the files that say the same."""

from __future__ import annotations

import re
from pathlib import Path

import lgvsc
from lgvsc.ui.citations import BIBTEX

ROOT = Path(__file__).parents[3]


def entries() -> dict[str, dict[str, str]]:
    """Fields by key of each entry."""
    found = {}
    for entry in BIBTEX.strip().split("\n@"):
        key = re.search(r"\{([a-z0-9]+),", entry)
        assert key
        found[key[1]] = dict(re.findall(r"(\w+)\s*= \{(.*)\}", entry))
    return found


def test_both_papers_are_cited_with_journal_and_preprint():
    cited = entries()
    assert cited["ma2026lgvsc"]["eprint"] == "2606.12899" and cited["ma2026lgvsc"]["note"] == "accepted"
    assert cited["yin2026gvsc"]["eprint"] == "2502.13838" and cited["yin2026gvsc"]["pages"] == "1701--1706"
    journals = {cited[key]["journal"] for key in ("ma2026lgvsc", "yin2026gvsc")}
    assert journals == {"IEEE Transactions on Vehicular Technology"}


def test_the_version_is_that_of_the_package():
    assert entries()["lgvsc"]["version"] == lgvsc.__version__


def test_the_citation_file_names_the_same_people_and_journal():
    file = (ROOT / "CITATION.cff").read_text("utf-8")
    for key in ("ma2026lgvsc", "yin2026gvsc"):
        for person in entries()[key]["author"].split(" and "):
            family, given = person.split(", ")
            assert f"{{family-names: {family}, given-names: {given}}}" in file, person
    assert file.count("journal: IEEE Transactions on Vehicular Technology") == 2
