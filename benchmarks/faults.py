"""Thousands of damaged, hostile and interrupted inputs, and a table of what came of them.

    python benchmarks/faults.py [--only WORDS] [--list]

Each class runs in a process of its own. A case is *refused clearly* (one line and the right exit status), *survived
with the damage reported*, *harmless* (the result is the same as without the fault, or the input still means something),
or *wrong*: a traceback, more than 2 s of processor time (20 s for whole runs), a hang, a part that is neither what was
sent nor reported, or a half-written file. A class is wrong as well if it takes more than 256 MiB above what the warm
process has. Exit status 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fault_campaign import air, commands, containers, packets, parsers, processes
from fault_campaign.verdicts import LIMIT_MIB, Case, Outcome, Tally, tally_apart

EDITS = 300  # damaged inputs for each parser


def classes() -> dict[str, Callable[[], Iterator[Case]]]:
    """Every class by name, ready to begin."""
    found = {
        name: partial(make, **full)
        for module in (containers, air, packets, commands, processes)
        for name, (make, full) in module.CLASSES.items()
    }
    return found | {f"fuzz: {target.name}": partial(parsers.fuzz_cases, target, EDITS) for target in parsers.TARGETS}


def warm_up() -> None:
    """Load what any class needs, so that neither its time nor its memory is charged to the first case."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    for road in (air.digital, air.learned):
        air.received_verdict(road(), air.noisy(torch.cat(road().bursts)))
    commands.transmission()
    commands.command("run", commands.clip(), "-o", parsers.scratch() / "warm.mp4", "--quiet")
    for target in parsers.TARGETS:
        target.read(target.seeds()[0])


def row(cells: list[str], widths: list[int]) -> str:
    return "  ".join(
        [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]
    )


def line(found: Tally) -> list[str]:
    counts = [str(found.outcomes[outcome]) for outcome in Outcome]
    return [found.name, str(found.cases), *counts, f"{found.slowest_s:.2f}", f"{found.memory_mib:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], help="classes whose name holds one of these words")
    parser.add_argument("--list", action="store_true", help="name the classes and stop")
    arguments = parser.parse_args()
    chosen = {
        name: make
        for name, make in classes().items()
        if not arguments.only or any(word in name for word in arguments.only)
    }
    if arguments.list:
        print("\n".join(chosen))
        return
    warm_up()
    widths = [max(map(len, chosen), default=5), 6, 7, 8, 8, 5, 9, 6]
    print(row(["class", "cases", "refused", "reported", "harmless", "wrong", "slowest s", "MiB"], widths), flush=True)
    total = Tally("all")
    for name, make in chosen.items():
        found = tally_apart(name, make)
        if found.memory_mib > LIMIT_MIB:
            found.outcomes[Outcome.WRONG] += 1
            found.wrong.append(f"{found.memory_mib:.0f} MiB over the baseline")
        print(row(line(found), widths), flush=True)
        for detail in found.wrong[:5]:
            print(f"    wrong: {detail}", flush=True)
        total.outcomes.update(found.outcomes)
        total.slowest_s = max(total.slowest_s, found.slowest_s)
        total.memory_mib = max(total.memory_mib, found.memory_mib)
    print(row(line(total), widths))
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{sum(u.ru_utime + u.ru_stime for u in usage):.0f} s of processor time")
    raise SystemExit(total.outcomes[Outcome.WRONG] > 0)


if __name__ == "__main__":
    main()
