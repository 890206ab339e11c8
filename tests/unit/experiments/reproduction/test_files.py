"""Tables on disk: every value of ours and of the paper's is in them, once, and LaTeX prints them as they are."""

from __future__ import annotations

import csv

import pytest

from lgvsc.experiments.recipe import shipped_recipe
from lgvsc.experiments.reproduction.files import escaped, write_tables
from lgvsc.experiments.reproduction.result import Reproduction, Value


def made():
    values = [
        Value(series="P(No) > 0.4", metric="mean", value=5.5, half_width=0.25, n=4),
        Value(series="P(No) > 0.4", metric="cv", value=None),
    ]
    return Reproduction(shipped_recipe("lgvsc-table-6"), values, absent={"cv": "no: pull it"})


def test_the_tidy_table_joins_ours_and_the_papers(tmp_path):
    write_tables(made(), tmp_path)
    rows = {(row["series"], row["metric"]): row for row in csv.DictReader((tmp_path / "lgvsc-table-6.csv").open())}
    assert len(rows) == 11
    mean = rows["P(No) > 0.4", "mean"]
    assert (mean["value"], mean["half_width_95"], mean["n"], mean["published"]) == ("5.5", "0.25", "4", "9.48")
    assert "Table VI" in mean["published_in"] and mean["absent"] == ""
    assert rows["P(No) > 0.4", "cv"]["absent"] == "no: pull it"
    assert rows["P(No) - P(Yes) > 0.35", "max"] | {"value": ""} == rows["P(No) - P(Yes) > 0.35", "max"]


def test_parquet_holds_the_same(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_tables(made(), tmp_path)
    table = parquet.read_table(tmp_path / "lgvsc-table-6.parquet").to_pylist()
    assert table[0]["value"] == 5.5 and table[0]["published"] == 9.48 and table[1]["value"] is None


def test_latex_is_a_booktabs_table_with_special_characters_escaped(tmp_path):
    write_tables(made(), tmp_path)
    text = (tmp_path / "lgvsc-table-6.tex").read_text()
    assert r"\toprule" in text and r"P(No) $>$ 0.4 & lgvsc & 4 & 5.50$\pm$0.25" in text and "CV is absent" in text
    assert escaped("50% of a_b & {c}") == r"50\% of a\_b \& \{c\}"
