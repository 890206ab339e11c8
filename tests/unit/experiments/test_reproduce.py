"""A recipe followed to its end: what is left out is said, files are written, absent metrics are not made up."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from lgvsc.cli.main import app
from lgvsc.cli.recipe_commands import write_page
from lgvsc.errors import ConfigError, InputError
from lgvsc.experiments import reproduce as work
from lgvsc.experiments.recipe import read_recipe, shipped_recipe
from lgvsc.experiments.reproduce import reproduce
from lgvsc.experiments.reproduction import grid, needs, tasks
from lgvsc.experiments.reproduction.clips import Footage, prepare_clips

pytest.importorskip("matplotlib")


@pytest.fixture
def sent(monkeypatch, tmp_path):
    """Every transmission succeeds at once: SSIM falls from line to line and rises with SNR; at 0 dB parts are lost."""
    clips = [Footage(tmp_path / f"c{i}.mp4") for i in range(3)]
    for clip in clips:
        clip.path.write_bytes(clip.path.name.encode())
    asked = []

    def compare(cells, table, *, workers, on_row):
        asked.extend(cells)
        table.write_text("made")
        order = ["gvsc-first-frame", "gvsc-sketches", "gvsc-sketch", "text-only"]
        rows = []
        for cell in cells:
            place = order.index(cell.config.scheme) if cell.config.scheme in order else 5
            ssim = 0.6 - 0.1 * place + 0.01 * cell.config.channel.snr_db + 0.001 * int(cell.clip.stem[1:])
            lost = "1 caption" if cell.config.channel.snr_db < 1 else ""
            cbr = 1e-3 * (1 + int(cell.clip.stem[1:]))
            rows.append(replace(cell.empty(), cbr=cbr, ssim=ssim, psnr_db=20 + ssim, ms_ssim=0.9 * ssim, lost=lost))
        return rows

    monkeypatch.setattr(work, "prepare_clips", lambda plan, sources, folder, on_notes: (clips, ["left out: bad.mp4"]))
    monkeypatch.setattr(grid, "compare", compare)
    missing = {
        "clip-vit-b-32": "CLIP is away: lgvsc models pull clip-vit-b-32",
        "roberta-large": "BERT is away: lgvsc models pull roberta-large",
    }
    for module in (needs, tasks):
        monkeypatch.setattr(module, "missing_weights", lambda name: missing.get(name, ""))
    monkeypatch.setattr(grid, "task_values", lambda *_: ([], []))
    monkeypatch.setattr(grid, "unavailable", lambda line, recipe: "it is not here" if line.scheme == "dvst" else "")
    return asked


def test_a_figure_its_tables_and_its_order_are_written(sent, tmp_path):
    done = reproduce(shipped_recipe("gvsc-fig-6"), [], tmp_path / "out")
    names = {path.name for path in done.files}
    assert {f"gvsc-fig-6.{kind}" for kind in ("svg", "pdf", "png", "csv", "tex")} <= names
    svg = (tmp_path / "out" / "gvsc-fig-6.svg").read_text()
    assert "First Frame + Desc." in svg and "GVSC Fig. 6, n = 3" in svg and "absent" not in svg
    assert "DVST is left out: it is not here" in done.notes and "left out: bad.mp4" in done.notes
    assert "SSIM: First Frame + Desc. above Sketches + Desc. at 0 dB in 3 of 3, by +0.100±0.000" in done.notes
    assert len(sent) == 7 * 6 * 3
    ssim = done.tables[0]
    assert ssim.header == ["SSIM ↑", "of", "n", "0 dB", "2 dB", "4 dB", "6 dB", "8 dB", "10 dB"]
    better = [f"0.6{place}1±0.002" for place in (2, 4, 6, 8)]
    assert ssim.cells[0] == ["First Frame + Desc.", "lgvsc", "3", "0.601±0.002*", *better, "0.701±0.002"]
    rows = list(csv.DictReader((tmp_path / "out" / "gvsc-fig-6.csv").open()))
    assert rows[0]["series"] == "First Frame + Desc." and float(rows[0]["value"]) == pytest.approx(0.601)
    assert r"\toprule" in (tmp_path / "out" / "gvsc-fig-6.tex").read_text()
    page = write_page(done, tmp_path / "out", "lgvsc reproduce gvsc-fig-6").read_text()
    assert "0.601±0.002*" in page and "<img alt='GVSC Fig. 6" in page and "prints no value" in page


def test_clips_are_described_by_their_data_set_where_that_is_asked_for(sent, tmp_path, monkeypatch):
    recipe = replace(shipped_recipe("gvsc-fig-6"), captions="dataset", snr_db=(0.0,))
    with pytest.raises(InputError, match=r"no manifest has a caption of c0\.mp4"):
        reproduce(recipe, [], tmp_path)
    clips = [Footage(tmp_path / f"c{i}.mp4", (f"Clip number {i}", "more")) for i in range(2)]
    monkeypatch.setattr(work, "prepare_clips", lambda plan, sources, folder, on_notes: (clips, []))
    reproduce(recipe, [], tmp_path)
    told = {(cell.clip.stem, cell.config.scheme): cell.config.message.description for cell in sent}
    assert told["c1", "gvsc-sketch"] == "Clip number 1" and told["c0", "text-only"] == "Clip number 0"
    assert {words for (_, scheme), words in told.items() if scheme.endswith("-ldpc")} <= {""}
    with pytest.raises(ConfigError, match="captions: input should be 'own' or 'dataset'"):
        (tmp_path / "mine.toml").write_text('base = "gvsc-grid"\ncaptions = "theirs"\ntitle = "x"\n')
        read_recipe(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("words", "error", "status"),
    [
        (["--engine", "slurm"], "the engine is 'slurm'; there are local and ray", 2),
        (["--ray-address", "head:6379"], "go with --engine ray only", 2),
        (["--captions", "dataset"], "none here has any", 3),
    ],
)
def test_who_works_and_who_describes_is_looked_at_before_any_work(tmp_path, words, error, status):
    ran = CliRunner().invoke(app, ["reproduce", "gvsc-fig-6", "-o", str(tmp_path / "out"), *words])
    assert error in str(ran.exception) and ran.exception.exit_status == status and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "drawn"), [("gvsc-fig-3", "MS-SSIM"), ("gvsc-fig-4", "")])
def test_an_absent_metric_is_said_to_be_absent_in_figure_table_and_page(sent, tmp_path, name, drawn):
    done = reproduce(shipped_recipe(name), [], tmp_path)
    metric, reason = next((name, why) for name, why in done.absent.items() if "lgvsc models pull" in why)
    svg = (tmp_path / f"{name}.svg").read_text()
    assert "absent, its model is not here" in svg and (drawn in svg)
    page = write_page(done, tmp_path, "x").read_text()
    assert reason in page and all(why in page for why in done.absent.values())  # extras may be absent as well
    assert all(value.value is None for value in done.values if value.metric == metric)


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are drawn by the tests that look at them."""
    monkeypatch.setattr(grid.figures, "write", lambda *_, **__: None)


def test_the_published_value_stands_beside_ours(sent, undrawn, tmp_path):
    done = reproduce(shipped_recipe("lgvsc-table-2"), [], tmp_path)
    cbr = done.tables[0]
    pairs = [row[:2] for row in cbr.cells]
    assert pairs[:2] == [["SKEM+DSA", "lgvsc"], ["SKEM+DSA", "paper"]]
    assert cbr.cells[1][3:] == ["6.10e-04", "6.10e-04", "6.30e-04", "6.40e-04", "6.40e-04", "6.50e-04"]
    assert ["H.265 + LDPC", "paper", "-", "fails", "fails", "fails", "1.70e-03", "1.40e-03", "1.38e-03"] in cbr.cells


def test_skim_gets_the_rate_that_skem_took_for_the_same_clip(sent, undrawn, tmp_path):
    reproduce(shipped_recipe("lgvsc-table-2"), [], tmp_path)
    skim = [cell for cell in sent if cell.config.scheme == "skim-sfa"]
    assert {(cell.clip.stem, cell.cbr_target) for cell in skim} == {("c0", 1e-3), ("c1", 2e-3), ("c2", 3e-3)}
    assert all(cell.config.keyframes.segments in (2, 3) for cell in skim)  # 3 or 4 keyframes, the closing one included
    assert all(cell.config.coding.budget == f"{cell.cbr_target:g}cbr" for cell in skim)


def test_table_1_has_the_papers_parameters_and_says_what_no_code_can_bring_through(sent, undrawn, tmp_path):
    done = reproduce(shipped_recipe("lgvsc-table-1"), [], tmp_path)
    theirs = {(p.series, p.metric, p.snr_db): p.value for p in done.published}
    ours = {(v.series, v.metric, v.snr_db): v.value for v in done.values}
    assert len(theirs) == 24 and all(ours[key] == pytest.approx(value) for key, value in theirs.items())
    above = [note for note in done.notes if "above the capacity" in note]
    assert len(above) == 1 and above[0].startswith("H.264 + LDPC at 6 dB carries 3.00 bits")


def test_recipes_that_lack_what_they_need_say_so(tmp_path):
    with pytest.raises(ConfigError, match="--clips FOLDER"):
        reproduce(shipped_recipe("gvsc-fig-7"), [], tmp_path)
    with pytest.raises(InputError, match="no video"):
        prepare_clips(shipped_recipe("gvsc-grid").clips, [tmp_path], tmp_path / "clips")
    (tmp_path / "mine.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"1 that may have been trained on.*lgvsc data FOLDER --splits test=1"):
        prepare_clips(shipped_recipe("gvsc-grid").clips, [tmp_path], tmp_path / "clips")


def test_the_command_lists_recipes_and_names_near_misses():
    for words in (["list"], ["--list"]):
        ran = CliRunner().invoke(app, ["reproduce", *words])
        assert ran.exit_code == 0 and "gvsc-fig-7" in ran.output and "gvsc-rates" in ran.output
    told = json.loads(CliRunner().invoke(app, ["reproduce", "--list", "--json"]).output)
    assert {"id", "title", "source", "preset", "needs"} == set(told[0])
    ran = CliRunner().invoke(app, ["reproduce", "gvsc-fig-66"])
    assert isinstance(ran.exception, ConfigError) and "did you mean gvsc-fig-6" in str(ran.exception)
    assert CliRunner().invoke(app, ["reproduce"]).exit_code == 2
    for option, value in (("--snr-db", ""), ("--snr-db", "0,x"), ("--count", "-1")):
        assert CliRunner().invoke(app, ["reproduce", "gvsc-fig-6", option, value]).exit_code == 2


@pytest.mark.parametrize("wide", [60, 200])
def test_the_list_fits_a_terminal_and_breaks_no_command(monkeypatch, wide):
    monkeypatch.setenv("COLUMNS", str(wide))
    told = CliRunner().invoke(app, ["reproduce", "--list"]).output
    assert max(map(len, told.splitlines())) <= min(wide, 100)
    assert "clip-vit-b-32" in told


def test_the_loss_of_the_sketch_code_is_trained_once_and_drawn(tmp_path, monkeypatch):
    from lgvsc.training.codes import deepjscc

    trained = []

    def ablate(config, kind, pool, out, held_back):
        trained.append((config.steps, config.distance, kind))
        rows = [
            {"k": k, "steps": config.steps, "distance": config.distance, "snr_db": snr, "n": 24, "psnr_db": 15 + k,
             "lpips": 0.3, "ms_ssim": 0.6 + k / 10, "contour_f": 0.7}
            for k in deepjscc.ABLATED_K
            for _, snr in config.measured
        ]  # fmt: skip
        (out / "ablation.json").write_text(json.dumps(rows))
        return rows

    monkeypatch.setattr(deepjscc, "material", lambda *_: SimpleNamespace(pool=None, held_back=[]))
    monkeypatch.setattr(deepjscc, "ablate", ablate)
    for _ in range(2):
        done = reproduce(shipped_recipe("gvsc-fig-7"), [tmp_path], tmp_path / "out")
    assert trained == [(100, "lpips", "sketch")]  # what is there whole is not trained again
    shown = next(table for table in done.tables if table.title.startswith("MS-SSIM"))
    assert ["k = 0.3", "lgvsc", "24", *["0.630"] * 6] in shown.cells
    assert "sketches are compared" in done.absent["clip_score"]
    assert "k = 0.3" in (tmp_path / "out" / "gvsc-fig-7.svg").read_text()
