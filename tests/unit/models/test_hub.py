"""Weights from the hub: found, complete, undamaged, and refused before the download where they do not fit."""

import hashlib
import json

import pytest
from typer.testing import CliRunner

from lgvsc.cli import model_commands
from lgvsc.cli.main import app
from lgvsc.errors import InputError, MissingResourceError, UnknownModelError
from lgvsc.models import catalog as catalog_module
from lgvsc.models import hub
from lgvsc.models.catalog import catalog, find
from lgvsc.models.fitting import Machine, nearest_that_fits, what_is_short

COMMIT = "0123456789abcdef0123456789abcdef01234567"
runner = CliRunner()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub's client."""
    pytest.importorskip("transformers")
    monkeypatch.setattr(hub, "hub_cache", lambda: tmp_path)
    return tmp_path


def stored(cache, files, repository="OpenGVLab/InternVL3-1B-hf"):
    """A repository as the hub's client leaves it: blobs named by digest, a snapshot of links."""
    home = cache / ("models--" + repository.replace("/", "--"))
    folder = home / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (home / "blobs").mkdir()
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    for name, data in files.items():
        large = name.endswith(".safetensors")
        digest = hashlib.sha256(data) if large else hashlib.sha1(b"blob %d\0" % len(data) + data)
        blob = home / "blobs" / digest.hexdigest()
        blob.write_bytes(data)
        (folder / name).symlink_to(blob)
    return folder


CONFIG = json.dumps({"model_type": "internvl"}).encode()


def test_weights_that_were_fetched_are_found_by_name_and_by_hub_id(cache):
    folder = stored(cache, {"config.json": CONFIG, "model.safetensors": b"weights"})
    assert hub.weights_folder(find("internvl3-1b")) == folder
    assert hub.weights_folder(find(f"OpenGVLab/InternVL3-1B-hf@{COMMIT}")) == folder
    assert hub.revision_here(find("internvl3-1b")) == COMMIT  # what a report names
    assert hub.revision_here(find("compact-judge")) is None and hub.revision_here(find("qwen3-vl-2b")) is None
    with pytest.raises(MissingResourceError, match=r"at revision ffff.*models pull"):
        hub.weights_folder(find("OpenGVLab/InternVL3-1B-hf@ffff"))


def test_a_repository_that_the_catalogue_does_not_know_works_once_it_is_here(cache):
    with pytest.raises(UnknownModelError, match="neither in the catalogue nor on this machine"):
        find("somebody/a-model")
    folder = stored(cache, {"config.json": CONFIG}, "somebody/a-model")
    card = find("somebody/a-model")
    assert (card.folder, card.revision, card.role) == (str(folder), COMMIT, "vision_language")


def test_a_published_layout_is_used_once_it_was_converted(cache):
    stored(cache, {"config.json": json.dumps({"model_type": "internvl_chat"}).encode()}, "OpenGVLab/InternVL2-8B")
    with pytest.raises(MissingResourceError, match="models convert internvl2-8b"):
        hub.weights_folder(find("internvl2-8b"))
    made = cache / "lgvsc-converted" / "internvl2-8b"
    made.mkdir(parents=True)
    (made / "config.json").write_bytes(CONFIG)
    assert hub.weights_folder(find("internvl2-8b")) == made


def test_an_incomplete_download_is_named(cache):
    index = json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}).encode()
    stored(cache, {"config.json": CONFIG, "model.safetensors.index.json": index, "one.safetensors": b"1"})
    with pytest.raises(MissingResourceError, match=r"two\.safetensors is missing.*models pull internvl3-1b"):
        hub.weights_folder(find("internvl3-1b"))


def test_verify_finds_damage_in_large_and_small_files(cache):
    folder = stored(cache, {"config.json": CONFIG, "model.safetensors": b"weights"})
    assert dict(hub.check_files(folder)) == {"config.json": True, "model.safetensors": True}
    assert runner.invoke(app, ["models", "verify", "internvl3-1b"]).exit_code == 0
    (folder / "model.safetensors").resolve().write_bytes(b"weightz")
    assert dict(hub.check_files(folder)) == {"config.json": True, "model.safetensors": False}
    failed = runner.invoke(app, ["models", "verify", "internvl3-1b"])
    assert isinstance(failed.exception, MissingResourceError) and "model.safetensors" in str(failed.exception)
    (folder / "own.txt").write_text("a plain file has no digest to compare with")
    assert dict(hub.check_files(folder))["own.txt"] is None


def test_the_first_fetch_pins_the_commit_and_later_ones_keep_to_it(cache, monkeypatch):
    """Trust on first use: main moves on, the pinned commit stays in use."""
    first = stored(cache, {"config.json": CONFIG, "model.safetensors": b"weights"})
    hub.pin("OpenGVLab/InternVL3-1B-hf", first)
    newer = first.with_name("f" * 40)
    newer.mkdir()
    (newer / "config.json").write_bytes(CONFIG)
    (first.parents[1] / "refs" / "main").write_text("f" * 40)
    assert hub.weights_folder(find("internvl3-1b")) == first and hub.revision_here(find("internvl3-1b")) == COMMIT
    assert hub.weights_folder(find(f"OpenGVLab/InternVL3-1B-hf@{'f' * 40}")) == newer

    asked = []
    monkeypatch.setattr(model_commands, "this_machine", lambda: Machine(gpu_gb=80, ram_gb=64, disk_gb=500))
    monkeypatch.setattr(hub, "fetch", lambda card, *, token, revision: asked.append(revision) or newer)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for more in ([], ["--newest"], ["--revision", "abc"]):
        assert runner.invoke(app, ["models", "pull", "internvl3-1b", *more]).exit_code == 0
    assert asked == [COMMIT, None, "abc"]
    assert COMMIT in runner.invoke(app, ["models", "card", "internvl3-1b"]).output


def test_verify_compares_with_what_came_at_the_first_fetch(cache):
    """A file that was exchanged together with the name of its blob, or removed, does not pass."""
    folder = stored(cache, {"config.json": CONFIG, "model.safetensors": b"weights", "tokenizer.json": b"{}"})
    hub.pin("OpenGVLab/InternVL3-1B-hf", folder)
    assert runner.invoke(app, ["models", "verify", "internvl3-1b"]).exit_code == 0
    other = folder.parents[1] / "blobs" / hashlib.sha256(b"others").hexdigest()
    other.write_bytes(b"others")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(other)
    (folder / "tokenizer.json").unlink()
    found = dict(hub.check_files(folder, hub.pinned("OpenGVLab/InternVL3-1B-hf")))
    assert found == {"config.json": True, "model.safetensors": False, "tokenizer.json": False}
    assert dict(hub.check_files(folder))["model.safetensors"] is True  # the name of the blob alone would not tell
    failed = runner.invoke(app, ["models", "verify", "internvl3-1b"])
    assert "model.safetensors" in str(failed.exception) and "tokenizer.json" in str(failed.exception)


@pytest.mark.parametrize("content", ["", "[]", '{"models": {"a/b": {}}}', '{"models": {"a/b": 3}}'])
def test_a_damaged_list_of_pins_is_named_and_not_passed_over(cache, content):
    (cache / hub.LOCK).write_text(content)
    with pytest.raises(InputError, match="pins the models"):
        hub.pinned("a/b")


def test_a_folder_works_where_a_name_does(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3_vl"}))
    card = find(str(tmp_path))
    assert card.loader == catalog_module.LOADERS["qwen3_vl"] and card.folder == str(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "internvl_chat"}))
    with pytest.raises(UnknownModelError, match="models convert"):
        find(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UnknownModelError, match="cannot be read"):
        find(str(tmp_path))


@pytest.mark.parametrize(
    ("machine", "nearest"),
    [
        (Machine(gpu_gb=24, ram_gb=64, disk_gb=500), "qwen3-vl-8b"),  # 20 GB
        (Machine(gpu_gb=8, ram_gb=64, disk_gb=500), "smolvlm2-2.2b"),
        (Machine(gpu_gb=0, ram_gb=4, disk_gb=500), "internvl3-1b"),
    ],
)
def test_the_nearest_that_fits_is_the_largest_that_fits(machine, nearest):
    cards = [card for card in catalog().values() if card.role == "vision_language"]
    other = nearest_that_fits(find("internvl2-8b"), cards, machine)
    assert other is not None and other.name == nearest
    assert what_is_short(other, machine) is None


def test_what_does_not_fit_is_refused_before_the_download(cache, monkeypatch):
    monkeypatch.setattr(model_commands, "this_machine", lambda: Machine(gpu_gb=8, ram_gb=64, disk_gb=500))
    monkeypatch.setattr(hub, "fetch", lambda *_, **__: pytest.fail("it was fetched"))
    refused = runner.invoke(app, ["models", "pull", "qwen3-vl-8b"])
    assert "nearest that fits is smolvlm2-2.2b" in str(refused.exception)
    monkeypatch.setattr(model_commands, "this_machine", lambda: Machine(gpu_gb=80, ram_gb=64, disk_gb=3))
    refused = runner.invoke(app, ["models", "pull", "qwen3-vl-8b"])
    assert "17.6 GB to fetch, the disk has 3.0 GB free" in str(refused.exception)


def test_pull_hands_the_token_on_and_stays_offline_when_told(cache, monkeypatch):
    asked = {}
    monkeypatch.setattr(model_commands, "this_machine", lambda: Machine(gpu_gb=80, ram_gb=64, disk_gb=500))
    monkeypatch.setattr(hub, "fetch", lambda card, **more: asked.update(more) or cache / COMMIT)
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    pulled = runner.invoke(app, ["models", "pull", "qwen3-vl-2b", "--revision", COMMIT])
    assert asked == {"token": "secret", "revision": COMMIT} and COMMIT in pulled.output
    assert "secret" not in pulled.output
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in str(runner.invoke(app, ["models", "pull", "qwen3-vl-2b"]).exception)


def test_the_list_says_what_is_here(cache):
    stored(cache, {"config.json": CONFIG, "model.safetensors": b"weights"})
    rows = json.loads(runner.invoke(app, ["models", "list", "--json"]).output)
    states = {row["name"]: row["state"] for row in rows}
    assert states["internvl3-1b"] in ("here", "too large") and states["compact-judge"] == "here"
    assert states["qwen3-vl-2b"] in ("not fetched", "too large")


def test_what_a_list_a_card_and_labels_say_is_there(tmp_path, cache):
    """Open-Sora's code is here and its weights are not; a server's are nowhere; a folder's have a size."""
    states = {row["name"]: row["state"] for row in json.loads(runner.invoke(app, ["models", "list", "--json"]).output)}
    assert "opensora-stdit3" in states["opensora-1.2"] or states["opensora-1.2"].startswith("needs lgvsc[")
    assert states["openai-server"] == "asks a server"
    assert "25.9 GB" in runner.invoke(app, ["models", "card", "opensora-1.2"]).output
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "qwen3_vl"}')
    (folder / "model.safetensors").write_bytes(bytes(2_500_000))
    assert "1 file of safetensors" in (shown := runner.invoke(app, ["models", "card", str(folder)]).output)
    assert "2.5 MB" in shown and "weights: none" not in shown
    for name, words in (("openai-server", "server runs"), ("compact-judge", "no labels"), ("dists", "no labels")):
        assert words in str(runner.invoke(app, ["models", "labels", name]).exception)
    assert "nothing to convert" in str(runner.invoke(app, ["models", "convert", "compact-judge"]).exception)
    assert "no weights on this machine" in runner.invoke(app, ["models", "verify", "openai-server"]).output
    assert "give --revision for one" in runner.invoke(app, ["models", "pull", "opensora-1.2", "--revision", "a"]).output
