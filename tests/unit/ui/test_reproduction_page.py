"""The page of a reproduction: one file that fetches nothing, every word escaped, tables that stay on a telephone."""

from __future__ import annotations

from xml.dom.minidom import parseString

from lgvsc.ui.report import asset
from lgvsc.ui.reproduction_page import STYLE, write_reproduction


class Row:
    ours = False


class Table:
    title, header, cells, rows = "CBR ↓", ["<b>", "of"], [["a & b", "paper"]], [Row()]


def written(tmp_path, **changes):
    given = {
        "title": "Table <II>", "source": "Ma et al.", "differs": "Other clips.", "command": "lgvsc reproduce x",
        "tables": [Table()], "figure": None, "absent": {"CLIP": "run: lgvsc models pull <clip>"},
        "said": ["no values"], "notes": [], "places": ["Table II"],
    }  # fmt: skip
    write_reproduction(tmp_path / "x.html", **(given | changes))
    return (tmp_path / "x.html").read_text()


def test_everything_is_on_the_page_and_escaped(tmp_path):
    page = written(tmp_path)
    for words in ("Table &lt;II&gt;", "a &amp; b", "Other clips.", "models pull &lt;clip&gt;", "Its numbers: Table II"):
        assert words in page
    assert "<h2>Notes</h2>" not in page and "http" not in page.replace("http-equiv", "")
    body = page[page.index("<main>") : page.index("</main>") + len("</main>")]
    parseString(body)  # well formed


def test_marks_are_explained_where_they_stand_and_nowhere_else(tmp_path):
    assert "half of the 95 %" not in written(tmp_path) and "was lost" not in written(tmp_path)

    class Marked(Table):
        title, cells = "SSIM ↑", [["a", "0.5±0.1"]]

    page = written(tmp_path, tables=[Table(), Marked()])
    assert page.count("half of the 95 % interval") == 1 and "was lost" not in page
    Marked.cells = [["a", "0.5*"]]
    assert "was lost on the way" in written(tmp_path, tables=[Marked()])


def test_the_figure_is_inside(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    assert "src='data:image/png;base64,iVBORw==" in written(tmp_path, figure=tmp_path / "x.png")


def test_no_class_of_its_tables_is_one_that_reports_hide_on_narrow_screens():
    assert ".wide" not in STYLE and ".scrolled" in STYLE and ".scrolled" not in asset("report.css")
