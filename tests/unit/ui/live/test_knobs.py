"""Knobs travel from one process to another whole, and stay within their limits."""

import pytest

from lgvsc.errors import ConfigError
from lgvsc.ui.live.knobs import Knobs


def test_what_is_written_is_read(tmp_path):
    knobs = Knobs(snr_db=-2.5, loss=0.3, look=0.1)
    knobs.write(tmp_path / "knobs.json")
    assert Knobs.read(tmp_path / "knobs.json") == knobs
    assert [path.name for path in tmp_path.iterdir()] == ["knobs.json"]


@pytest.mark.parametrize("wrong", [{"snr_db": 99.0}, {"loss": 1.01}, {"loss": float("nan")}, {"look": -0.1}])
def test_a_knob_beyond_its_end_is_refused_with_its_value(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ConfigError, match=f"{name} is {value}"):
        Knobs(**wrong)
