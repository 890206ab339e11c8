"""What the large models of a run have cost: calls, tokens, arithmetic, time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(slots=True)
class Cost:
    """Counted by the captioner and the judge while they work; one for each run.

    Attributes:
        pairs: Frame pairs that were scored, the thrown away ones of a speculation included.
        descriptions: Frames or pairs of frames that were put into words.
        remembered: Descriptions that were taken from memory or disk instead.
        model_calls: Forward passes, each of any number of sequences.
        vision_tiles: Tiles that went through a vision tower.
        prefill_tokens: Tokens read, of prompts, pictures included.
        decode_tokens: Tokens written.
        decode_steps: Forward passes spent on writing; fewer than tokens where sequences share them.
        flops: Floating point operations, two for each multiplication and addition; matrix products alone.
        pictures_detected: Pictures in which the compact detector looked for things, scene tags included.
        pictures_classified: Pictures that the compact classifier looked at as a whole, tags for captions included.
        captions: Captions that the compact captioner wrote.
        caption_words: Words in them.
        seconds: Wall time inside the models.
        detector_s, classifier_s, captions_s: Wall time in detector and scene tags, in classifier and caption tags, and
            for captions as a whole, both included; those of captions are not part of ``seconds``.
    """

    pairs: int = 0
    descriptions: int = 0
    remembered: int = 0
    model_calls: int = 0
    vision_tiles: int = 0
    prefill_tokens: int = 0
    decode_tokens: int = 0
    decode_steps: int = 0
    pictures_detected: int = 0
    pictures_classified: int = 0
    captions: int = 0
    caption_words: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    detector_s: float = 0.0
    classifier_s: float = 0.0
    captions_s: float = 0.0

    def wasted_share(self, needed: int) -> float:
        """The share of scored pairs that nobody needed in the end: thrown away, or scored again alone."""
        return max(0.0, 1.0 - needed / self.pairs) if self.pairs else 0.0

    @contextmanager
    def timed(self, field: str = "seconds") -> Iterator[None]:
        """The block's wall time counts, as ``seconds`` or another field."""
        started = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, field, getattr(self, field) + time.perf_counter() - started)

    @classmethod
    def together(cls, some: Iterable[Cost]) -> Cost:
        """The sum of several ledgers."""
        known = list(some)
        return cls(**{field.name: sum(getattr(cost, field.name) for cost in known) for field in fields(cls)})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
