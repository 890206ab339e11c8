"""A threshold belongs to one score, and says so."""

import json
import warnings
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from lgvsc import build
from lgvsc.cli.main import app, say
from lgvsc.config import load_config
from lgvsc.core.video import VideoFormat, VideoWriter
from lgvsc.errors import ConfigError, InputError
from lgvsc.semantics.prompts import QUESTIONS
from lgvsc.semantics.thresholds import StoredThreshold, ThresholdWarning, differences, digest, misuse

STORED = StoredThreshold(
    threshold=0.2, identity={"judge": {"model": "m", "dtype": "float32"}, "mode": "joint"}, target=("keyframes", 5.0)
)


def test_a_threshold_comes_back_from_its_file(tmp_path):
    path = tmp_path / "t.json"
    whole = replace(STORED, reached={"keyframes": 4.5, "cbr": 1e-3}, clips=7)
    whole.write(path)
    assert StoredThreshold.read(path) == whole


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"version": 2}', '{"version": 1, "threshold": 3, "identity": {}, "target": ["cbr", 1]}', "\x00"],
)
def test_what_is_no_threshold_is_refused(tmp_path, content):
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(InputError, match="no threshold"):
        StoredThreshold.read(path)


def test_differences_are_named_and_long_texts_are_not_quoted():
    other = {"judge": {"model": "m", "dtype": "bfloat16"}, "mode": "direct", "question": "why " * 40}
    found = differences(STORED.identity, other)
    assert "judge.dtype was 'float32', is 'bfloat16'" in found and "another question" in found
    assert any(text.startswith("mode was") for text in found) and len(found) == 3
    assert differences(other, other) == [] and digest(other) != digest(STORED.identity)


def test_a_threshold_is_misused_with_another_score_only():
    assert misuse(0.2, STORED.identity, STORED) is None
    assert "dtype" in (misuse(0.2, {"judge": {"model": "m", "dtype": "x"}, "mode": "joint"}, STORED) or "")
    with pytest.raises(ConfigError, match="give one"):
        misuse(0.3, STORED.identity, STORED)


@pytest.mark.parametrize(
    ("captioner", "judge", "mode", "rule", "threshold", "warned"),
    [
        ("compact", "compact-judge", "joint", "relative", 0.35, False),
        ("compact", "compact-judge", "cached", "relative", 0.35, True),
        ("OpenGVLab/InternVL2-8B", "compact-judge", "joint", "relative", 0.35, True),  # others' words
        ("compact", "likelihood of SmolLM2-135M", "joint", "relative", 0.35, True),
        ("internvl2-8b", "internvl2-8b", "joint", "relative", 0.35, False),
        ("OpenGVLab/InternVL2-8B", "OpenGVLab/InternVL2-8B", "joint", "relative", 0.35, False),
        ("internvl2-8b", "internvl2-8b", "direct", "relative", 0.35, True),
        ("Qwen/Qwen3-VL-4B-Instruct", "Qwen/Qwen3-VL-4B-Instruct", "joint", "relative", 0.35, True),
        ("Qwen/Qwen3-VL-4B-Instruct", "Qwen/Qwen3-VL-4B-Instruct", "direct", "relative", 0.2, False),  # chosen
    ],
)
def test_the_papers_threshold_is_known_to_be_the_papers(captioner, judge, mode, rule, threshold, warned):
    present = {"captioner": {"model": captioner}, "judge": {"model": judge}, "mode": mode, "rule": rule}
    assert (misuse(threshold, present, None) is not None) == warned
    asked = misuse(threshold, present | {"question": "Are they alike? Answer yes or no."}, None)
    assert (asked is not None) == (threshold == 0.35)
    assert asked is None or "in your own words" in asked
    assert (misuse(threshold, present | {"question": QUESTIONS["background"]}, None) is not None) == warned


def warned(config):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build.encoder(config)
    return [str(w.message) for w in caught if w.category is ThresholdWarning]


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with VideoWriter(folder / "a.mp4", VideoFormat(64, 96, Fraction(8), None)) as writer:
        scenes = rng.integers(0, 255, (3, 8, 12, 3)).astype(np.uint8).repeat(8, 1).repeat(8, 2)
        for index in range(24):
            writer.write(scenes[index // 8])
    return folder


def test_calibrate_stores_what_a_run_then_takes_and_warns_elsewhere(clips, tmp_path, monkeypatch):
    monkeypatch.setenv("LGVSC_CACHE", str(tmp_path / "kept"))
    ran = CliRunner().invoke(app, ["calibrate", str(clips), "--target-keyframes", "3", "-q", "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    identity = found["identity"]
    assert identity["mode"] == "joint" and identity["focus"] == "general" and identity["judge"]["engine"] == "lgvsc"
    assert identity["judge"]["revision"] != "unknown" and identity["judge"]["dtype"] == "float32"
    assert found["stored"].startswith(str(tmp_path / "kept" / "thresholds"))

    stored = {"judge.threshold_file": found["stored"]}
    config = load_config(settings=stored)
    assert config.keyframes.threshold == found["chosen"]["threshold"] and warned(config) == []
    for change in ({"keyframes.focus": "background"}, {"judge.mode": "cached"}, {"keyframes.sample_fps": 2.0}):
        (message,) = warned(load_config(settings=stored | change))
        assert "found for another score" in message and next(iter(change)).split(".")[1] in message
    assert warned(load_config()) == []
    assert "cached mode" in warned(load_config(settings={"judge.mode": "cached"}))[0]
    with pytest.raises(ConfigError, match="give one"):
        build.encoder(load_config(settings=stored | {"keyframes.threshold": 0.8}))


def test_a_threshold_file_that_is_missing_is_named():
    with pytest.raises(InputError, match=r"absent\.json"):
        load_config(settings={"judge.threshold_file": "absent.json"})


def test_the_command_line_says_a_warning_in_one_sentence(capsys):
    say(ThresholdWarning("mind this"), ThresholdWarning, "file", 1)
    assert capsys.readouterr().err == "lgvsc: warning: mind this\n"
