"""Sionna's LDPC decoder, with its index tables made by array operations: a new block length is ready much sooner.

Nothing is decoded here. Sionna fills these tables node by node in Python, most of the time that a decoder takes to
build. A test compares every table with Sionna's own. Should a later Sionna name them otherwise, its own are used.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.channel.common import importing_sionna

if TYPE_CHECKING:
    from sionna.phy.fec.ldpc import LDPC5GDecoder


@lru_cache(maxsize=1)
def quickly_built_decoder() -> type[LDPC5GDecoder]:
    """A subclass of Sionna's :class:`LDPC5GDecoder` with the same arguments and results."""
    with importing_sionna():
        from sionna.phy.fec.ldpc import LDPC5GDecoder

    class QuicklyBuiltDecoder(LDPC5GDecoder):
        def _compute_row_splits(self, idx: NDArray[Any], num_nodes: int) -> NDArray[np.int32]:
            return np.concatenate([[0], np.bincount(idx, minlength=num_nodes).cumsum()]).astype(np.int32)

        def _build_padded_indices(
            self, idx: NDArray[Any], row_splits: NDArray[Any], num_nodes: int, max_degree: int
        ) -> tuple[Tensor, Tensor]:
            edges, valid = edges_of(row_splits, max_degree)
            return torch.from_numpy(edges), torch.from_numpy(valid).to(self.dtype)

        def _build_scatter_indices(self, row_splits: NDArray[Any], num_nodes: int, max_degree: int) -> Tensor:
            return torch.from_numpy(edges_of(row_splits, max_degree)[0])

        def _build_valid_scatter_indices(
            self, row_splits: NDArray[Any], num_nodes: int, max_degree: int
        ) -> tuple[Tensor, Tensor]:
            places = np.flatnonzero(edges_of(row_splits, max_degree)[1]).astype(np.int32)
            return torch.from_numpy(places), torch.arange(len(places), dtype=torch.int32)

    return QuicklyBuiltDecoder


def edges_of(row_splits: NDArray[Any], max_degree: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Numbers of each node's edges, ``(nodes, max_degree)``, zero where it has fewer, and where it has as many."""
    column = np.arange(max_degree)
    valid = column < np.diff(row_splits)[:, None]
    return np.where(valid, row_splits[:-1, None] + column, 0).astype(np.int32), valid
