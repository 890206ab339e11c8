"""The quickly built decoder is Sionna's own, table by table."""

import pytest
import torch

from lgvsc.channel.common import importing_sionna, seeded
from lgvsc.coding.modem.ldpc_tables import quickly_built_decoder


@pytest.mark.parametrize(("k", "n"), [(30, 40), (250, 1250), (640, 900), (1300, 2500)])
def test_tables_and_results_are_those_of_sionna(k, n):
    with importing_sionna():
        from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
    encoder = LDPC5GEncoder(k, n, device="cpu")
    ours, theirs = quickly_built_decoder()(encoder, device="cpu"), LDPC5GDecoder(encoder, device="cpu")
    names = [name for name, value in vars(theirs).items() if isinstance(value, torch.Tensor)]
    names += [name for name, _ in theirs.named_buffers(recurse=False)]
    assert len(names) > 10
    for name in names:
        a, b = getattr(ours, name), getattr(theirs, name)
        assert a.dtype == b.dtype and torch.equal(a, b), name
    llr = torch.randn(4, n, generator=seeded(1)) + 2 * encoder(torch.zeros(4, k)) - 1
    assert torch.equal(ours(llr), theirs(llr))
