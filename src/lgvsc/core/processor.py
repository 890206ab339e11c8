"""What this computer's processor can do."""

from __future__ import annotations

import torch


def native_bfloat16() -> bool:
    """Whether the processor has instructions for products of bfloat16."""
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe is not None and probe() for probe in probes)
