"""Presets, schemes and settings: what is unknown or contradictory is refused with a way out."""

import shlex
from importlib import resources
from types import SimpleNamespace

import pytest
import typer
from pydantic import ValidationError
from typer.testing import CliRunner

from lgvsc import build
from lgvsc.cli import link_commands
from lgvsc.cli.main import app
from lgvsc.config import SCHEMES, Config, command_of, load_config, parse_settings, presets
from lgvsc.errors import ConfigError, InputError


def test_a_preset_names_its_scheme_and_else_it_is_the_paper_s_proposal(tmp_path):
    assert (load_config().preset, load_config().scheme) == ("compact", "layered-dsa")
    for preset in set(presets()) - {"compact"}:
        assert load_config(preset).scheme == "skem-dsa"
    own = tmp_path / "own.toml"
    own.write_text(resources.files("lgvsc").joinpath("presets/compact.toml").read_text().replace("layered-dsa", "dvst"))
    assert load_config(str(own)).scheme == "dvst" and load_config(str(own), "av1-ldpc").scheme == "av1-ldpc"
    own.write_text('scheme = ["dvst"]')
    with pytest.raises(ConfigError, match="no scheme is called"):
        load_config(str(own))


def test_the_paper_s_proposal():
    config = load_config(scheme="skem-dsa")
    assert config.keyframes.threshold == 0.35
    assert (config.keyframes.method, config.world.adapter) == ("skem", "dsa")
    assert config.believed_snr_db == config.channel.snr_db


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_resolves(scheme):
    assert load_config(scheme=scheme).scheme == scheme


def test_schemes_differ_where_they_should():
    assert load_config(scheme="skim-sfa").keyframes.method == "skim"
    assert load_config(scheme="skim-sfa").world.adapter == "sfa"
    assert not load_config(scheme="text-only").message.send_keyframes


def test_settings_have_the_last_word():
    config = load_config(settings=["keyframes.threshold=0.2", "channel.kind=rayleigh", "coding.budget=5kbps"])
    assert (config.keyframes.threshold, config.channel.kind, config.coding.budget) == (0.2, "rayleigh", "5kbps")
    assert parse_settings(["a.b=1", "c=x=y"]) == {"a.b": 1, "c": "x=y"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["keyframes.treshold=0.2"], "keyframes.threshold"),
        (["keyframe.threshold=0.2"], "keyframes"),
        (["keyframes.threshold=2"], "paper uses 0.35"),
        (["keyframes.threshold=high"], "keyframes.threshold"),
        (["channel.snr_db=hot"], "channel.snr_db"),
        (["coding.budget=much"], "6e-4cbr"),
        (["coding.refine_steps=-1"], "coding.refine_steps is -1"),
        (["threshold"], "no '='"),
        (["seed.x=1"], "seed"),
        (["world.adapter=sfa"], "(?i)sfa"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_config(settings=settings)


def test_only_the_learned_picture_code_takes_steps_and_only_when_asked():
    both = {"models.picture_codecs": ["digital-picture", "compact-ntscc"]}
    for more, steps in (({}, 0), ({"coding.refine_steps": 3}, 3)):
        digital, learned = build.picture_codecs(load_config(settings=both | more))
        assert learned.refine_steps == steps and digital.name == "digital"


def test_skem_sfa_is_refused_with_the_reason():
    with pytest.raises(ConfigError, match=r"(?i)length"):
        load_config(scheme="skem-sfa")
    with pytest.raises(ConfigError, match="skem-dsa"):
        load_config(scheme="skem-das")


def test_preset_files(tmp_path):
    assert {"compact", "paper"} <= set(presets())
    own = tmp_path / "own.toml"
    own.write_text("not toml [")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(str(own))
    with pytest.raises(InputError, match="is not a file"):
        load_config(str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="compact"):
        load_config("papers")


def test_a_configuration_is_frozen():
    config = load_config()
    with pytest.raises(ValidationError):
        config.seed = 3
    assert Config.model_validate(config.model_dump()) == config


def test_the_judge_can_be_asked_in_other_words(tmp_path):
    other = tmp_path / "questions.toml"
    other.write_text('background = "Same place? Answer yes or no."')
    config = load_config(settings={"judge.questions": str(other), "keyframes.focus": "background"})
    assert build.psss(config).question == "Same place? Answer yes or no."
    assert (
        build.psss(load_config()).question != build.psss(load_config(settings=["keyframes.focus=background"])).question
    )
    with pytest.raises(InputError, match="is not a file"):
        build.psss(load_config(settings={"judge.questions": str(tmp_path / "absent.toml")}))


def test_the_schemes_of_gvsc_send_what_they_are_called_after():
    first, sketch, sketches, words = (
        load_config(scheme=name) for name in ("gvsc-first-frame", "gvsc-sketch", "gvsc-sketches", "text-only")
    )
    assert first.models.picture_codecs == load_config().models.picture_codecs and first.message.send_keyframes
    as_printed = load_config("gvsc-compact", "gvsc-first-frame")
    assert as_printed.models.picture_codecs == ("compact-deepjscc-rgb",) and not as_printed.message.send_colours
    assert {c.world_model for c in (first, sketch, sketches, words)} == {"compact-world"}
    assert load_config().world_model == "motion-interpolation" and not load_config().message.send_colours
    assert all(c.message.send_colours for c in (first, sketch, sketches)) and not words.message.send_colours
    assert not first.message.send_closing and first.message.sketches == 0
    assert [c.message.sketches for c in (sketch, sketches, words)] == [1, 8, 0]
    assert not any(c.message.send_keyframes for c in (sketch, sketches, words))
    assert all(c.keyframes.interval_s == 2 for c in (first, sketch, sketches))


def test_sketches_of_many_frames_want_a_world_model_that_takes_them(monkeypatch):
    monkeypatch.setattr(build, "load", lambda name, *_: SimpleNamespace(name=name))
    settings = {"models.sketch_to_frame": "sd3.5-large"}
    with pytest.raises(ConfigError, match="VideoComposer"):
        build.world_model(load_config(scheme="gvsc-sketches", settings=settings))
    assert build.world_model(load_config(scheme="gvsc-sketch", settings=settings)).takes_sketches


def test_the_command_of_a_configuration_makes_it_again():
    given = ["channel.snr_db=-2.5", "coding.budget=2kbps", "world.look=1", "seed=3", "link.metrics=lpips,dists"]
    given += ["models.picture_codecs=['digital-picture']", "channel.kind=rayleigh", "objective=structure"]
    config = load_config("compact", "skim-dsa", given)
    line = command_of(config, "a walk; rm -r x.mp4")
    arguments = {}

    def noted(preset, scheme, settings=None, **options):
        arguments.update(config=resolve(preset, scheme, settings, **options))
        raise typer.Exit

    resolve = link_commands.resolve
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link_commands, "resolve", noted)
        words = shlex.split(line)
        assert words[:3] == ["lgvsc", "run", "a walk; rm -r x.mp4"]
        CliRunner().invoke(app, words[1:])
    assert arguments["config"] == config


def test_a_configuration_whose_preset_is_gone_has_no_command(tmp_path):
    assert command_of(load_config().model_copy(update={"preset": str(tmp_path / "gone.toml")}), "walk.mp4") is None
