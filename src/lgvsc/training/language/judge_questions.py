"""Many ways to ask for the same focus, so that the judge reads the question instead of recognising three of them."""

from __future__ import annotations

import random

from lgvsc.core.interfaces import Focus
from lgvsc.semantics.prompts import QUESTIONS

_OPENINGS = (
    "Here are two picture descriptions.",
    "Compare the two descriptions of the pictures.",
    "Two texts describe two images.",
    "Read both descriptions of the frames that you have given.",
    "You see descriptions of a first and a second image.",
    "",
    "",
    "",
)
_VERBS = ("Weigh", "Focus on", "Consider", "Look at", "Attend to", "Judge by", "Think about")
_ONLY = ("only", "just", "nothing but", "solely")
_ASPECTS: dict[str, tuple[str, ...]] = {
    "general": (
        "everything in them",
        "the whole scene",
        "the overall similarity of the images",
        "where the key objects are",
        "the positions of the main objects in the scene",
        "any objects that appeared or disappeared",
        "what came or went",
        "the extent of changes in the background and the foreground",
        "how much the background environment changed and any objects that appeared or disappeared",
        "the semantic similarity of the images",
        "objects, people, actions, background, environment and light",
        "how far the surroundings changed",
        "all aspects together",
    ),
    "main_object": (
        "the foreground",
        "the actions and movements",
        "what people or objects are doing",
        "who or what is there",
        "poses, gestures and motion",
        "how it is posed and how it moves",
        "the main object",
        "the subject and its action",
        "what the persons or animals do",
    ),
    "background": (
        "the background",
        "the background environment",
        "the setting and the type of scene",
        "ambient lighting",
        "the kind of place and its light",
        "static surroundings",
        "all that stands still",
        "the environment behind everything",
        "the place, the light and the walls, sky or ground",
    ),
}
_IGNORE: dict[str, tuple[str, ...]] = {
    "main_object": ("the background", "the surroundings", "the environment", "differences in the setting or light"),
    "background": (
        "people",
        "objects",
        "the foreground",
        "what anyone does",
        "actions",
        "any people or objects in front",
    ),
}
_IGNORED = ("Ignore {}.", "Leave out {}.", "Disregard {}.", "Never mind {}.", "Whatever {} may be.", "Do not weigh {}.")
_ASKED: dict[str, tuple[str, ...]] = {
    "general": (
        "Do both show one and the same scene?",
        "Are they similar?",
        "Determine if these depict exactly the same scene.",
        "Do the two images match?",
    ),
    "main_object": (
        "Is the same thing going on in both?",
        "Are the actions the same?",
        "Determine if the actions depicted are semantically the same.",
        "Does the main object match?",
        "Are they similar from the perspective of the main object?",
    ),
    "background": (
        "Are both in the same surroundings?",
        "Are the backgrounds the same?",
        "Determine if the background environments are semantically the same.",
        "Does the background match?",
        "Are they similar from the perspective of the background?",
    ),
}
_ASKED_OF_ALL = ("Are they the same?", "Are they similar?", "Do they match?", "Is it the same in both?")
_ANSWERS = (
    "Answer yes or no.",
    "Use yes or no to answer.",
    "Only respond with 'yes' if they match, otherwise respond with 'no'.",
    "Reply 'Yes' or 'No'.",
    "Yes or No?",
    "Say Yes if so and No if not.",
)


def draw_question(rng: random.Random, focus: Focus) -> str:
    """One wording. The shipped one comes up most."""
    if rng.random() < 0.4:
        return QUESTIONS[focus]
    verb = rng.choice(_VERBS)
    only = f" {rng.choice(_ONLY)}" if focus != "general" and rng.random() < 0.7 else ""
    aspects = rng.sample(_ASPECTS[focus], rng.choice((1, 1, 2, 3)))
    parts = [rng.choice(_OPENINGS), f"{verb}{only}: {', '.join(aspects)}." if rng.random() < 0.5 else ""]
    parts[1] = parts[1] or f"{verb}{only} {' and '.join(aspects)}."
    if focus in _IGNORE and rng.random() < 0.5:
        left_out = " and ".join(rng.sample(_IGNORE[focus], rng.randint(1, 2)))
        parts.append(rng.choice(_IGNORED).format(left_out))
    asked = rng.choice(_ASKED_OF_ALL if rng.random() < 0.4 else _ASKED[focus])
    parts += [asked, rng.choice(_ANSWERS)]
    return " ".join(part for part in parts if part)


def question_words() -> set[str]:
    """Every wording that can be drawn, in pieces."""
    pieces = {*QUESTIONS.values(), *_OPENINGS, *_VERBS, *_ONLY, *_IGNORED, *_ASKED_OF_ALL, *_ANSWERS}
    for table in (_ASPECTS, _IGNORE, _ASKED):
        pieces.update(piece for group in table.values() for piece in group)
    return pieces
