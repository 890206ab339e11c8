"""A row of a comparison for tests."""

from __future__ import annotations

from lgvsc.experiments.compare_table import Row


def row(**changes) -> Row:
    """A plausible row with some values changed."""
    known = {"key": "k", "clip": "c", "scheme": "h265-ldpc", "mode": "adaptive", "channel": "awgn", "snr_db": 5.0}
    return Row(**known | {"snr_def": "esn0", "cbr_target": 6e-4} | changes)
