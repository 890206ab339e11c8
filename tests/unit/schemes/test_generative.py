"""The generative scheme as a whole: which end needs which models."""

import pytest

from lgvsc import kinds
from lgvsc.config import load_config
from lgvsc.errors import MissingResourceError
from lgvsc.schemes.generative import GenerativeScheme


def test_an_end_of_the_link_loads_its_own_models_only(monkeypatch):
    """A receiver must not want the transmitter's large model, nor the other way round."""
    monkeypatch.setattr("lgvsc.models.hub.hub_cache", lambda: None)
    scheme = kinds.scheme(
        load_config(scheme="skem-dsa", settings={"models.captioner": "qwen3-vl-4b", "models.judge": "qwen3-vl-4b"})
    )
    assert isinstance(scheme, GenerativeScheme)
    assert list(scheme.reconstruct([])) == []
    with pytest.raises(MissingResourceError, match="qwen3-vl-4b"):
        scheme.transmit([], None)
    scheme = kinds.scheme(load_config(scheme="skem-dsa", settings={"models.world_model": "opensora-1.2"}))
    assert scheme.encoder is scheme.encoder
    with pytest.raises(MissingResourceError):
        scheme.reconstruct([])
