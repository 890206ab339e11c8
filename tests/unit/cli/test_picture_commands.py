"""``lgvsc picture`` on a small file: its table, its JSON, its pictures, its complaints."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lgvsc import picture_link
from lgvsc.cli.main import app
from lgvsc.errors import ConfigError


@pytest.fixture
def image(tmp_path):
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    path = tmp_path / "ramp.png"
    Image.fromarray(
        np.stack([np.tile(ramp, (64, 1)), np.tile(ramp[:, None], (1, 64)), np.full((64, 64), 90)], -1).astype(np.uint8)
    ).save(path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["picture", *map(str, arguments)])


def test_every_picture_has_a_row_for_each_point(image):
    result = run(image, "--codec", "digital", "--cbr", "0.05,0.1", "--snr-db", "5,10", "--json")
    rows = json.loads(result.stdout)
    assert [(row["snr_db"], row["cbr_asked"]) for row in rows] == [(5, 0.05), (5, 0.1), (10, 0.05), (10, 0.1)]
    for row in rows:
        assert row["cbr"] == pytest.approx(row["symbols"] / (3 * 64 * 64))
        assert row["cbr"] <= row["cbr_asked"]
        assert not row["lost"]
    assert rows[3]["psnr_db"] > rows[0]["psnr_db"]


def test_what_arrived_is_written(image, tmp_path):
    result = run(image, "--codec", "digital", "--cbr", "0.1", "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "MS-SSIM" in result.stdout
    assert Image.open(tmp_path / "out" / "ramp-digital-10dB-0.1.png").size == (64, 64)


def test_steps_of_the_transmitter_change_what_is_sent_and_not_how_much(image):
    plain, refined = (
        json.loads(run(image, "--codec", "ntscc", "--cbr", "0.03", "--snr-db", "0", *more, "--json").stdout)[0]
        for more in ([], ["--refine-steps", 2])
    )
    assert plain["symbols"] == refined["symbols"]
    assert plain["psnr_db"] != refined["psnr_db"]
    assert run(image, "--refine-steps", "-1").exit_code == 2


def test_a_look_changes_what_is_sent_and_not_how_much(image):
    faithful, vivid = (
        json.loads(run(image, "--codec", "ntscc", "--cbr", "0.03", "--look", look, *more, "--json").stdout)[0]
        for look, more in ((0, []), (1, ["--refine-steps", "0"]))
    )
    assert faithful["symbols"] == vivid["symbols"]
    assert faithful["psnr_db"] > vivid["psnr_db"]
    assert run(image, "--look", "2").exit_code == 2


def test_a_large_picture_is_not_refined_unless_asked_for_and_that_is_told(image, monkeypatch):
    monkeypatch.setattr(picture_link, "MOST_REFINED_PIXELS", 99)
    vivid = (image, "--codec", "ntscc", "--cbr", "0.03", "--look", "1", "--json")
    left, asked = run(*vivid), run(*vivid, "--refine-steps", "1")
    monkeypatch.undo()
    assert json.loads(run(*vivid).stdout)[0]["refine_steps"] == 6
    assert json.loads(left.stdout)[0]["refine_steps"] == 0
    assert "--refine-steps 6 refines it" in left.stderr
    assert json.loads(asked.stdout)[0]["refine_steps"] == 1
    assert "refines it" not in asked.stderr


def test_numbers_that_are_none_are_refused(image):
    assert run(image, "--cbr", "0.02,x").exit_code == 2


def test_an_unknown_codec_is_refused(image):
    assert isinstance(run(image, "--codec", "jpeg").exception, ConfigError)
