"""Answers of the labs, checked against what the student's own cells measured. ``...`` stands for no answer yet."""

from __future__ import annotations

from typing import Any


def check(question: str, answer: Any, right: Any, hint: str, *, within: float = 0.0) -> None:
    """Say whether an answer is right.

    Args:
        question: Its number.
        answer: The student's; ``...`` is none.
        right: What it must be: a value, or several of which any will do.
        hint: What to look at where it is wrong.
        within: How far a number may be off.

    Raises:
        AssertionError: The answer is wrong; its words are the hint.
    """
    if answer is ...:
        print(f"Question {question}: no answer yet.")
        return
    rights = right if isinstance(right, set | list | tuple) else [right]
    if within:
        good = any(abs(float(answer) - float(each)) <= within for each in rights)
    else:
        good = answer in rights
    assert good, f"Question {question}: not yet. {hint}"
    print(f"Question {question}: right.")


def steepest(levels: list[float], values: list[float]) -> float:
    """The first level at which more than half of the way from the worst value to the best is done."""
    middle = (max(values) + min(values)) / 2
    rising = values[-1] > values[0]
    return next(level for level, value in zip(levels, values, strict=True) if (value >= middle) == rising)
