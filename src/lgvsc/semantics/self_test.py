"""Does a model see, and can it judge? A few questions whose answers anybody knows, asked before a score is believed.

A judge that answers at random still gives numbers, and keyframes follow from them. What is asked here is far easier
than any video: whoever fails cannot do it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from lgvsc.core.interfaces import Answer
from lgvsc.core.video import Frame
from lgvsc.errors import MissingResourceError

# Ours. Four scenes that have neither things nor place nor light in common.
SCENES = (
    "A brown dog runs across a green lawn towards a red ball. Trees stand behind it in bright sunshine.",
    "Two men in dark suits sit at a long table and sign papers. A lamp lights the panelled office.",
    "A white sailing boat heels over on a stormy sea. Grey clouds hang low and rain falls.",
    "A woman slices carrots on a wooden board in a narrow kitchen. Steam rises from a pot on the stove.",
)
EQUAL = tuple((scene, scene) for scene in SCENES)
UNRELATED = tuple(zip(SCENES, (*SCENES[1:], SCENES[0]), strict=True))
LEAST_GAP = 0.1  # of S_rel between the two kinds; thresholds are told apart to a hundredth
LEAST_ORDERED = 0.9  # share of the pairs of pairs that are in the right order; 0.5 is chance
SIDE = 224  # pixels; every vision tower takes this
COLOURS = {"red": (200, 20, 20), "blue": (20, 40, 200)}
ASK_COLOUR = "Which colour fills this picture? Answer with one word."


class SelfTest:
    """Tries a judge of texts once for each question, before its first answer.

    Args:
        of: What messages call the judge.
        wanted: Whether to try it at all.
    """

    def __init__(self, of: str, wanted: bool) -> None:
        self.of, self.wanted = of, wanted
        self._passed: set[str] = set()

    def of_question(self, question: str, answers: Callable[[Sequence[tuple[str, str]]], list[Answer]]) -> None:
        """Let the judge answer about texts that are equal and texts that have nothing in common.

        Raises:
            MissingResourceError: It cannot tell them apart.
        """
        if not self.wanted or question in self._passed:
            return
        found = answers([*EQUAL, *UNRELATED])
        fault = judging_fault(found[: len(EQUAL)], found[len(EQUAL) :])
        if fault:
            raise MissingResourceError(
                f"{self.of} is no judge of descriptions: {fault}. Take another model; text_judge.self_test = false "
                "takes this one all the same"
            )
        self._passed.add(question)


def logistic(logit: float) -> Answer:
    """A measure of likeness as an answer: P(yes) = 1 / (1 + exp(-logit)), P(no) the rest."""
    p_yes = 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, logit))))
    return Answer(p_yes, 1.0 - p_yes)


def judging_fault(equal: Sequence[Answer], unrelated: Sequence[Answer]) -> str | None:
    """Why a judge that gave these answers is none; ``None`` where it can tell the two kinds apart.

    Args:
        equal: Its answers about pairs that show the same.
        unrelated: Its answers about pairs that have nothing in common.
    """
    same, other = ([answer.p_no - answer.p_yes for answer in answers] for answers in (equal, unrelated))
    order = [(b > a) + 0.5 * (a == b) for a in same for b in other]
    ordered, gap = sum(order) / len(order), sum(other) / len(other) - sum(same) / len(same)
    if ordered >= LEAST_ORDERED and gap >= LEAST_GAP:
        return None
    means = f"S_rel is {sum(same) / len(same):+.2f} in the mean where both are equal"
    means += f" and {sum(other) / len(other):+.2f} where they have nothing in common"
    if ordered <= 1 - LEAST_ORDERED and gap <= -LEAST_GAP:
        return f"{means}: the wrong way round. Yes must mean 'the same'; does the question ask what differs?"
    return f"{means}: it cannot tell them apart ({ordered:.0%} in the right order, 50% is chance)"


def seeing_fault(answers: dict[str, str]) -> str | None:
    """Why a model that said this of pictures of one colour does not see; ``None`` where it named a colour rightly.

    Args:
        answers: What it said, by the name of the colour that filled the picture.
    """
    texts = [" ".join(text.lower().split()) for text in answers.values()]
    quoted = " and ".join(f"{text[:60]!r} of a {colour} picture" for colour, text in answers.items())
    if not any(texts):
        return "it says nothing about a picture"
    if len(set(texts)) == 1:
        return f"it says the same whatever it is shown, {texts[0][:60]!r}; it is not given the pictures or cannot see"
    if not any(colour in text for colour, text in zip(answers, texts, strict=True)):
        return f"it says {quoted}; it is not given the pictures or cannot see"
    return None


def coloured_pictures() -> dict[str, Frame]:
    """A picture of one colour for each of :data:`COLOURS`."""
    made = {name: np.full((SIDE, SIDE, 3), rgb, np.uint8) for name, rgb in COLOURS.items()}
    return {name: Frame(index, pixels) for index, (name, pixels) in enumerate(made.items())}
