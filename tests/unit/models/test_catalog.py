import hashlib
from importlib import import_module
from importlib.resources import files
from operator import attrgetter
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from lgvsc.errors import ConfigError, MissingResourceError, UnknownModelError
from lgvsc.models import catalog as module
from lgvsc.models.card import ModelCard, as_toml, read_cards
from lgvsc.models.catalog import card_text, catalog, find, load, refreshed
from lgvsc.models.weights import load_asset, read_tensors

BASE = {"role": "judge", "loader": "json:loads", "licence": "Apache-2.0", "source": "here"}


@pytest.fixture
def asset(tmp_path):
    """A small weights file and its card."""
    data = save({"layer.weight": torch.arange(6.0).reshape(2, 3)}, metadata={"words": "[1, 2]"})
    (tmp_path / "tiny.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return tmp_path, ModelCard(name="tiny", **BASE, file="tiny.safetensors", sha256=digest, size_bytes=len(data))


def test_every_shipped_asset_is_what_its_card_says():
    assert len(catalog()) >= 3
    for card in catalog().values():
        if card.file:
            assert len(load_asset(card)) == card.size_bytes


def test_no_asset_ships_without_a_card():
    folder = files("lgvsc.models") / "assets"
    shipped = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    assert {name for name in shipped if name.endswith(".safetensors")} == {c.file for c in catalog().values() if c.file}


@pytest.mark.parametrize("name", catalog())
def test_every_loader_is_there(name):
    module_name, function = find(name).loader.split(":")
    assert callable(attrgetter(function)(import_module(module_name)))


def test_unknown_name_names_near_misses():
    with pytest.raises(UnknownModelError, match="did you mean motion-interpolation"):
        find("motion-interpolaton")
    with pytest.raises(UnknownModelError, match=r"there are .*compact-captioner"):
        find("zzz")


def test_asset_is_verified_on_every_load(asset):
    folder, card = asset
    tensors, metadata = read_tensors(load_asset(card, folder))
    assert tensors["layer.weight"].tolist() == [[0, 1, 2], [3, 4, 5]] and metadata == {"words": "[1, 2]"}
    damaged = bytearray((folder / "tiny.safetensors").read_bytes())
    damaged[-1] ^= 1
    (folder / "tiny.safetensors").write_bytes(damaged)
    with pytest.raises(MissingResourceError, match="not what was shipped"):
        load_asset(card, folder)
    (folder / "tiny.safetensors").unlink()
    with pytest.raises(MissingResourceError, match="not in the package"):
        load_asset(card, folder)


@pytest.mark.parametrize("data", [b"", b"\x80\x04K\x01.", b"\xff" * 40, (12).to_bytes(8, "little") + b'{"a": [1, 2'])
def test_what_is_not_safetensors_is_refused(data):
    with pytest.raises(MissingResourceError):
        read_tensors(data)


def test_weight_free_models_have_no_digest():
    card = ModelCard(name="rule", **BASE)
    assert card.sha256 is None
    with pytest.raises(MissingResourceError, match="no weights"):
        load_asset(card)
    for broken in (
        {"sha256": "0" * 64},
        {"file": "a.safetensors"},
        {"file": "a.safetensors", "sha256": "0" * 63, "size_bytes": 5},
        {"file": "a.bin", "sha256": "0" * 64, "size_bytes": 5},
        {"file": "../a.safetensors", "sha256": "0" * 64, "size_bytes": 5},
        {"role": "singer"},
        {"loader": "json.loads"},
    ):
        with pytest.raises(ConfigError):
            ModelCard(name="broken", **(BASE | broken))


def test_loader_gets_the_verified_bytes_or_nothing(asset, monkeypatch):
    folder, card = asset
    monkeypatch.setattr("lgvsc.models.weights.files", lambda package: folder.parent)
    monkeypatch.setattr("lgvsc.models.weights.ASSETS", folder.name)
    cards = {
        "tiny": ModelCard(**(card.as_json() | {"loader": "lgvsc.models.weights:read_tensors"})),
        "rule": ModelCard(name="rule", **(BASE | {"loader": "fractions:Fraction"})),
    }
    monkeypatch.setattr(module, "catalog", lambda: cards)
    assert list(load("tiny")[0]) == ["layer.weight"]
    assert load("rule") == 0


def test_refresh_writes_size_and_digest_and_keeps_the_rest(asset):
    folder, card = asset
    text = as_toml(ModelCard(name="tiny", **BASE)) + 'file = "tiny.safetensors"\n'
    with pytest.raises(ConfigError, match="sha256"):
        read_cards(text)
    assert read_cards(refreshed(text, folder)) == {"tiny": card}
    assert refreshed(refreshed(text, folder), folder) == refreshed(text, folder)
    with pytest.raises(ConfigError, match="not in"):
        refreshed(text, folder / "elsewhere")


def test_shipped_catalogue_is_in_the_form_that_refresh_writes():
    here = Path(module.__file__).parent
    text = (here / "catalog.toml").read_text("utf-8")
    assert refreshed(text, here / "assets") == text


def test_toml_round_trip_with_awkward_text():
    card = ModelCard(name="a.b", **(BASE | {"source": 'a "quoted" C:\\path'}))
    assert read_cards(as_toml(card)) == {"a.b": card}
    with pytest.raises(ConfigError, match="licence"):
        read_cards('[x]\nrole = "judge"\nlicense = "MIT"\n')
    with pytest.raises(ConfigError, match="TOML"):
        read_cards("[x")


def test_card_text_says_what_a_model_is():
    text = card_text("motion-interpolation")
    assert text.startswith("# motion-interpolation\n") and "- role: world_model" in text and "- weights: none" in text
