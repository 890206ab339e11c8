"""Block error rates of Sionna's own classes over AWGN, for the tests to compare ours with.

    python benchmarks/sionna_reference.py --out tests/golden/sionna_bler.json [--seed 0] [--effort 1]

Nothing of lgvsc is used here: no code, modulation, channel or CRC of ours. Lengths are those that our table measures
too, CRC bits counted as information: that is all the two have in common. Some five minutes on
one core; rows that the file has already, from the same seed and versions, are kept.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.fec.polar import Polar5GDecoder, Polar5GEncoder
from sionna.phy.fec.turbo import TurboDecoder, TurboEncoder
from sionna.phy.mapping import Demapper, Mapper
from torch import Tensor

BATCH = 64
DEVIATIONS = (-1.0, 0.0, 0.7, 1.3)  # from the middle of the waterfall, in units of its width

NAMES = ("index", "payload_bits", "code", "k", "n", "bits_per_symbol")

Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """One code.

    Attributes:
        index, payload_bits: Which entry of our table is to be compared.
        code: ``polar``, ``ldpc`` or ``turbo``.
        k, n: Information and coded bits.
        bits_per_symbol: Of the QAM.
        middle_db, width_db: About where half of the blocks are lost, and how wide the waterfall is.
        blocks: For each SNR.
    """

    index: int
    payload_bits: int
    code: str
    k: int
    n: int
    bits_per_symbol: int
    middle_db: float
    width_db: float
    blocks: int


CASES = (
    Case(8, 48, "polar", 64, 118, 2, 2.0, 0.8, 1600),
    Case(5, 176, "polar", 192, 580, 2, -1.5, 0.6, 640),
    Case(6, 1000, "ldpc", 1024, 2382, 2, 0.1, 0.2, 320),
    Case(10, 1000, "ldpc", 1024, 2276, 4, 5.4, 0.2, 320),
    Case(17, 1000, "ldpc", 1024, 1626, 6, 13.0, 0.2, 320),
    Case(27, 1000, "ldpc", 1024, 1368, 4, 9.92, 0.21, 320),
    Case(24, 8424, "ldpc", 8448, 11424, 8, 19.5, 0.1, 96),
    Case(31, 500, "turbo", 524, 1584, 2, -1.3, 0.3, 320),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effort", type=float, default=1.0, help="multiplies the number of blocks")
    given = parser.parse_args()
    torch.set_num_threads(1)
    made: dict[str, Any] = {
        "made_by": f"benchmarks/sionna_reference.py --seed {given.seed} --effort {given.effort}",
        "sionna": version("sionna-no-rt"),
        "torch": version("torch").split("+")[0],
    }
    before = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    known = {tuple(row[name] for name in NAMES): row for row in before.get("rows", [])}
    if before != made | {"rows": before.get("rows")}:
        known = {}  # other versions, another seed
    rows = []
    for case in CASES:
        row = known.get(tuple(getattr(case, name) for name in NAMES)) or measured(case, given.seed, given.effort)
        rows.append(row)
        given.out.write_text(json.dumps(made | {"rows": rows}, indent=1) + "\n", encoding="utf-8")
        print(case.code, case.k, case.n, [(p["snr_db"], p["errors"] / p["blocks"]) for p in row["points"]], flush=True)


def measured(case: Case, seed: int, effort: float) -> dict[str, Any]:
    """One row of the file."""
    encode, decode = code_of(case)
    generator = torch.Generator().manual_seed(seed * 1000 + case.index)
    middle_db = middle(case, encode, decode, generator)
    blocks = max(BATCH, round(effort * case.blocks))
    points = []
    for deviations in DEVIATIONS:
        snr_db = round(middle_db + deviations * case.width_db, 3)
        errors = lost(case, encode, decode, snr_db, blocks, generator)
        points.append({"snr_db": snr_db, "blocks": blocks, "errors": errors})
    return {name: getattr(case, name) for name in NAMES} | {"points": points}


def code_of(case: Case) -> tuple[Encode, Encode]:
    """Sionna's encoder and decoder, with the number of iterations and the list size that we use."""
    if case.code == "polar":
        polar = Polar5GEncoder(case.k, case.n, device="cpu")
        return polar, Polar5GDecoder(polar, "SCL", 8, device="cpu")
    if case.code == "turbo":
        turbo = TurboEncoder(rate=1 / 3, constraint_length=4, terminate=True, device="cpu")
        return turbo, TurboDecoder(turbo, num_iter=8, algorithm="log", device="cpu")
    ldpc = LDPC5GEncoder(case.k, case.n, case.bits_per_symbol, device="cpu")
    return ldpc, LDPC5GDecoder(ldpc, num_iter=20, device="cpu")


def middle(case: Case, encode: Encode, decode: Encode, generator: torch.Generator) -> float:
    """Where about half of the blocks are lost, to within half of the waterfall's width."""
    snr_db, step_db = case.middle_db, case.width_db
    above: bool | None = None
    while step_db > 0.4 * case.width_db:
        now_above = lost(case, encode, decode, snr_db, 32, generator) > 16
        if above is not None and now_above != above:
            step_db /= 2
        above = now_above
        snr_db += step_db if above else -step_db
    return snr_db


def lost(case: Case, encode: Encode, decode: Encode, snr_db: float, blocks: int, generator: torch.Generator) -> int:
    """How many of so many blocks do not come back bit for bit."""
    mapper = Mapper("qam", case.bits_per_symbol, device="cpu")
    demapper = Demapper("app", "qam", case.bits_per_symbol, device="cpu")
    n0 = torch.tensor(10 ** (-snr_db / 10))
    errors = 0
    for start in range(0, blocks, BATCH):
        bits = torch.randint(0, 2, (min(BATCH, blocks - start), case.k), generator=generator).float()
        sent = mapper(encode(bits).float())
        noise = torch.view_as_complex(torch.randn(*sent.shape, 2, generator=generator)) * math.sqrt(float(n0) / 2)
        errors += int((decode(demapper(sent + noise, n0)) != bits).any(dim=1).sum())
    return errors


if __name__ == "__main__":
    main()
