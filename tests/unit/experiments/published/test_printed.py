"""The stored values of the papers: of recipes that exist, by names that exist, each with its place."""

from __future__ import annotations

from lgvsc.experiments.published.printed import published, recipes_published, sentences
from lgvsc.experiments.recipe import listed_recipes
from lgvsc.experiments.reproduction.names import NAMES
from lgvsc.schemes.gvsc_rates import published_rates
from lgvsc.schemes.table_1 import table_1


def test_every_figure_and_table_has_its_numbers_or_words_that_say_that_there_are_none():
    listed = {recipe.name for recipe in listed_recipes()}
    assert recipes_published() >= listed
    for name in listed:
        numbers = published(name)
        assert numbers or sentences(name)
        assert all(one.metric in NAMES and "arXiv" in one.where for one in numbers)


def test_the_stored_values_are_those_that_the_schemes_work_with():
    """Two files say the same of Table I and of GVSC's rates; they must agree."""
    rows = {(f"{'H.264' if row.codec == 'h264' else 'H.265'} + LDPC", row.snr_db): row for row in table_1()}
    for one in published("lgvsc-table-1"):
        row = rows[one.series, one.snr_db]
        known = {"qp": row.qp, "gop_frames": row.gop_frames, "code_rate": row.code_rate, "qam": 2**row.bits_per_symbol}
        assert one.value == known[one.metric]
    rates = {row.label: row.stated_cbr for row in published_rates()}
    assert {one.series: one.value for one in published("gvsc-rates")} == rates


def test_a_failure_or_a_bound_is_no_number():
    failed = [one for one in published("lgvsc-table-2") if one.value is None]
    assert {one.text for one in failed} == {"fails"} and all(one.snr_db < 6 for one in failed)
    assert {one.text for one in published("gvsc-fig-3")} == {"> 0.92"}
