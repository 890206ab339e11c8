"""The descriptor of colours and edges."""

import numpy as np
import pytest

from lgvsc.core.video import Frame
from lgvsc.errors import InputError, MissingResourceError
from lgvsc.semantics.backends.large.image_embedding import embedder
from lgvsc.semantics.embedding import ColourGradient


def cosine(a, b):
    first, second = ColourGradient().embed([Frame(0, a), Frame(1, b)])
    return float(first @ second)


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8).repeat(16, 0).repeat(16, 1)


def test_vectors_have_length_one_and_a_picture_is_like_itself(picture):
    black = np.zeros_like(picture)
    vectors = ColourGradient().embed([Frame(0, picture), Frame(1, black), Frame(2, 255 - black)])
    assert vectors.shape == (3, 176) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert cosine(picture, picture) == pytest.approx(1.0, abs=1e-5)


def test_the_more_changes_the_less_alike(picture):
    noisy = np.clip(picture + np.random.default_rng(1).normal(0, 5, picture.shape), 0, 255).astype(np.uint8)
    half = picture.copy()
    half[:, :64] = half[:, 63::-1]
    other = np.random.default_rng(2).integers(0, 255, (6, 8, 3)).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    alike = [cosine(picture, p) for p in (noisy, half, other)]
    assert alike[0] > 0.95 and alike == sorted(alike, reverse=True) and alike[2] < 0.8


def test_edges_count_without_colours():
    across = np.zeros((64, 64, 3), np.uint8)
    across[::8] = 255
    assert cosine(across, across.transpose(1, 0, 2)) < 0.75


def test_names_that_are_no_embedding_are_refused(tmp_path):
    assert embedder("colour-gradient").name == "colour-gradient"
    with pytest.raises(InputError, match="no image embedding"):
        embedder("colour")
    with pytest.raises(MissingResourceError, match="hf download"):
        embedder("nobody/knows-this")
    with pytest.raises(InputError, match="cannot be read"):
        embedder(str(tmp_path))
