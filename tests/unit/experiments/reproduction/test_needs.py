"""What a recipe needs: nothing that ships is listed, what is missing says which command brings it."""

from __future__ import annotations

from dataclasses import replace

from lgvsc.experiments.recipe import shipped_recipe
from lgvsc.experiments.reproduction import needs


def test_weights_that_are_not_here_are_named_with_the_command_that_brings_them():
    found = needs.needs_of(replace(shipped_recipe("lgvsc-table-2"), preset="paper"))
    missing = {need.what: need for need in found if need.missing}
    assert "lgvsc models pull internvl2-8b" in missing["the weights of internvl2-8b"].missing
    assert "opensora" in missing["the weights of opensora-1.2"].missing
    assert not any("compact" in need.what for need in found)


def test_what_ships_is_no_need():
    recipe = shipped_recipe("lgvsc-table-2")
    assert needs.absent(recipe) == {} and needs.drawn(recipe) == recipe.wanted
    assert [need for need in needs.of_lines(recipe) if need.missing] == []


def test_what_cannot_be_measured_is_drawn_instead_under_its_own_name(monkeypatch):
    monkeypatch.setattr(needs, "missing_weights", lambda name: "away" if name == "clip-vit-b-32" else "")
    recipe = shipped_recipe("gvsc-fig-3")
    assert needs.absent(recipe) == {"clip_score": "away"} and needs.drawn(recipe) == ("ms_ssim",)
    monkeypatch.setattr(needs, "missing_weights", lambda name: "")
    assert needs.drawn(recipe) == ("clip_score",)
