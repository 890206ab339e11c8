"""A recipe followed to its end: what is left out is said, figures are written, absent metrics are not made up."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from lgvsc.cli.main import app
from lgvsc.errors import ConfigError, InputError
from lgvsc.experiments import reproduce as work
from lgvsc.experiments.recipe import shipped_recipe
from lgvsc.experiments.reproduce import prepare_clips, reproduce

pytest.importorskip("matplotlib")


@pytest.fixture
def sent(monkeypatch, tmp_path):
    """Every transmission succeeds at once: SSIM falls from line to line and rises with SNR."""
    clips = [tmp_path / f"c{i}.mp4" for i in range(3)]
    for clip in clips:
        clip.write_bytes(clip.name.encode())
    asked = []

    def compare(cells, table, *, jobs, on_row):
        asked.extend(cells)
        table.write_text("made")
        order = ["gvsc-first-frame", "gvsc-sketches", "gvsc-sketch", "text-only"]
        rows = []
        for cell in cells:
            place = order.index(cell.config.scheme) if cell.config.scheme in order else 5
            ssim = 0.6 - 0.1 * place + 0.01 * cell.config.channel.snr_db + 0.001 * int(cell.clip.stem[1:])
            rows.append(replace(cell.empty(), cbr=1e-3, ssim=ssim, psnr_db=20 + ssim, ms_ssim=0.9 * ssim))
        return rows

    monkeypatch.setattr(work, "prepare_clips", lambda plan, sources, folder, on_notes: (clips, []))
    monkeypatch.setattr(work, "compare", compare)
    monkeypatch.setattr(work, "unavailable", lambda line, recipe: "it is not here" if line.scheme == "dvst" else "")
    return asked


def test_a_figure_is_written_and_its_order_counted(sent, tmp_path):
    done = reproduce(shipped_recipe("gvsc-fig-6"), [], tmp_path / "out")
    assert {path.name for path in done.files} >= {"gvsc-fig-6.svg", "gvsc-fig-6.pdf", "gvsc-fig-6.png"}
    svg = (tmp_path / "out" / "gvsc-fig-6.svg").read_text()
    assert "First Frame + Desc." in svg and "GVSC Fig. 6, n = 3" in svg and "absent" not in svg
    assert "DVST is left out: it is not here" in done.notes and "DVST" not in [row[0] for row in done.cells]
    assert "First Frame + Desc. above Sketches + Desc. at -2 dB in 3 of 3, by +0.100±0.000" in done.notes
    assert len(sent) == 7 * 4 * 3 and [cell.clip for cell in sent] == sorted(cell.clip for cell in sent)


@pytest.mark.parametrize(("name", "drawn"), [("gvsc-fig-3", "MS-SSIM"), ("gvsc-fig-4", "")])
def test_an_absent_metric_is_said_to_be_absent_in_table_and_figure(sent, tmp_path, name, drawn):
    done = reproduce(shipped_recipe(name), [], tmp_path)
    assert any("is absent" in note and "weights" in note for note in done.notes)
    svg = (tmp_path / f"{name}.svg").read_text()
    assert "absent, its weights are not here" in svg
    assert done.header[0] == (f"{drawn} of" if drawn else "scheme")
    values = {cell for row in done.cells for cell in row[3:]}
    assert values == {"-"} if not drawn else "-" not in values


def test_recipes_that_lack_what_they_need_say_so(tmp_path):
    with pytest.raises(ConfigError, match="--clips FOLDER"):
        reproduce(shipped_recipe("gvsc-fig-7"), [], tmp_path)
    with pytest.raises(InputError, match="no video"):
        prepare_clips(shipped_recipe("gvsc-grid").clips, [tmp_path], tmp_path / "clips")


def test_the_command_lists_recipes_and_names_near_misses():
    ran = CliRunner().invoke(app, ["reproduce", "list"])
    assert ran.exit_code == 0 and "gvsc-fig-7" in ran.output and "gvsc-rates" in ran.output
    ran = CliRunner().invoke(app, ["reproduce", "gvsc-fig-66"])
    assert isinstance(ran.exception, ConfigError) and "did you mean gvsc-fig-6" in str(ran.exception)


def test_the_loss_of_the_sketch_code_is_trained_once_and_drawn(tmp_path, monkeypatch):
    from lgvsc.training.codes import deepjscc

    trained = []

    def ablate(config, kind, pool, out, held_back):
        trained.append((config.steps, config.measured, kind))
        rows = [
            {"k": k, "steps": config.steps, "snr_db": snr, "psnr_db": 15 + k, "ms_ssim": 0.6 + k / 10, "contour_f": 0.7}
            for k in deepjscc.ABLATED_K
            for _, snr in config.measured
        ]
        (out / "ablation.json").write_text(json.dumps(rows))
        return rows

    monkeypatch.setattr(deepjscc, "material", lambda *_: SimpleNamespace(pool=None, held_back=[]))
    monkeypatch.setattr(deepjscc, "ablate", ablate)
    for _ in range(2):
        done = reproduce(shipped_recipe("gvsc-fig-7"), [tmp_path], tmp_path / "out")
    assert trained == [(100, ((2, 0), (2, 5), (2, 10)), "sketch")]  # what is there whole is not trained again
    assert done.header == ["k", "0 dB", "5 dB", "10 dB"]
    assert done.cells[1] == ["0.3", *["15.30 / 0.630 / 0.700"] * 3] and len(done.cells) == 5
    assert "CLIP score is absent" in done.notes[0] and "after 100 steps" in done.notes[1]
    assert "k = 0.3" in (tmp_path / "out" / "gvsc-fig-7.svg").read_text()
