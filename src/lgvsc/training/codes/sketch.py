"""``lgvsc train sketch``: the trainer of ``deepjscc.py`` on sketches instead of pictures."""

from __future__ import annotations

from collections.abc import Sequence

from lgvsc.training.codes import deepjscc


def main(arguments: Sequence[str] | None = None) -> None:
    deepjscc.main(arguments, kind="sketch")


if __name__ == "__main__":
    main()
