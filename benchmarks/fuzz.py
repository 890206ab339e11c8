"""Coverage-guided fuzzing of one parser with Atheris, for as long as one likes.

    python benchmarks/fuzz.py TARGET [--seconds 60]
    python benchmarks/fuzz.py --list

Needs `pip install atheris` (Linux and macOS; it is not a dependency of lgvsc). It starts from the same valid inputs as
``benchmarks/faults.py``, and ends with a traceback and a file ``crash-...`` at the first input that a parser neither
reads nor refuses clearly. Without Atheris, ``benchmarks/faults.py --only fuzz`` makes random edits of the same inputs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fault_campaign.parsers import TARGETS, Target
from fault_campaign.verdicts import Case, Outcome, judged


def fuzz(target: Target, seconds: int) -> None:
    """Hand Atheris one parser. Does not return."""
    try:
        import atheris
    except ImportError:
        raise SystemExit(
            "fuzz: Atheris is not installed; pip install atheris, or take benchmarks/faults.py --only fuzz"
        ) from None
    with atheris.instrument_imports(include=["lgvsc"]):
        seeds = target.seeds()
        target.read(seeds[0])  # imports the parser, instrumented

    def once(data: bytes) -> None:
        verdict, _ = judged(Case(target.name, lambda: target.read(data), target.limit_s))
        if verdict.outcome is Outcome.WRONG:
            raise RuntimeError(verdict.detail)

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / f"valid-{number}").write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-max_len=65536", "-rss_limit_mb=4096", corpus]
        atheris.Setup([sys.argv[0], *options], once)
        atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", choices=[target.name for target in TARGETS])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list or arguments.target is None:
        print("\n".join(target.name for target in TARGETS))
        return
    fuzz(next(target for target in TARGETS if target.name == arguments.target), arguments.seconds)


if __name__ == "__main__":
    main()
