"""The labs for a course run from the first cell to the last, and know right answers from wrong ones."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest

LABS = sorted((Path(__file__).parents[2] / "examples" / "labs").glob("*.ipynb"))

pytest.importorskip("skimage", reason="needs scikit-image for the photographs: pip install 'lgvsc[demo]'")


def cells_of(lab: Path) -> list[dict]:
    return json.loads(lab.read_text(encoding="utf-8"))["cells"]


def source_of(cell: dict) -> str:
    return "".join(cell["source"])


def test_there_are_three_and_they_are_stripped():
    assert len(LABS) == 3
    for lab in LABS:
        cells = cells_of(lab)
        assert not any(cell.get("outputs") for cell in cells) and len({cell["id"] for cell in cells}) == len(cells)
        assert sum("lgvsc" in cell["metadata"] for cell in cells) >= 6, "questions"


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.stem)
def test_a_lab_runs_and_its_answers_are_checked(lab, monkeypatch):
    """Each question: nothing is asked of who has no answer, a wrong one gets its hint, the right one is right."""
    monkeypatch.syspath_prepend(str(lab.parent))
    cells = [cell for cell in cells_of(lab) if cell["cell_type"] == "code"]
    names: dict[str, object] = {"__name__": "lab"}
    answered = None
    for number, cell in enumerate(cells):
        source = source_of(cell)
        if not answered:
            execute(source, names, lab, number)
        else:
            if answered["wrong"]:
                assert "no answer yet" in execute(source, names, lab, number)
                execute(answered["wrong"], names, lab, number)
                with pytest.raises(AssertionError, match=r"Question \d\.\d: not yet\. \w+"):
                    execute(source, names, lab, number)
            execute(answered["answer"], names, lab, number)
            assert ": right." in execute(source, names, lab, number)
        answered = cell["metadata"].get("lgvsc")
        assert not answered or "= ..." in source
    assert not answered, "a question without a check"


def execute(source: str, names: dict[str, object], lab: Path, number: int) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(source, f"{lab.name}, code cell {number}", "exec"), names)
    print(said.getvalue(), end="")
    return said.getvalue()
