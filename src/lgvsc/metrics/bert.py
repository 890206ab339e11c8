"""BERT score of two texts: how well the tokens of each find a like token in the other.

Tokens are embedded by the 17th layer of RoBERTa-large through the transformers library; every token takes the most
like token of the other text by cosine; precision and recall are the means over the candidate's and the reference's
tokens, and the score is their harmonic mean. Tokens that begin and end a text may be taken, but do not count. No
weighting by rarity, no rescaling. The weights do not ship: ``lgvsc models pull roberta-large`` fetches them.

Source: Zhang et al. 2020, "BERTScore: evaluating text generation with BERT" (arXiv:1904.09675), Eq. in section 3 and
Table 8 for the layer; used by Ma et al. 2026 (arXiv:2606.12899), Table III.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lgvsc.core.video import Pixels
from lgvsc.errors import MissingResourceError
from lgvsc.models.catalog import find
from lgvsc.models.hub import weights_folder

LAYER = 17  # of the 24 of RoBERTa-large
MAX_TOKENS = 512


class BertScore:
    """Harmonic mean of precision and recall of a candidate against a reference, in [-1, 1], 1 for equal texts.

    Args:
        model: An encoder of the transformers library, in evaluation mode.
        tokenizer: Its own.
        layer: Whose output is compared, counted from 1.
    """

    def __init__(self, model: Any, tokenizer: Any, layer: int = LAYER) -> None:
        self.model, self.tokenizer, self.layer = model, tokenizer, layer

    def __call__(self, reference: str, candidate: str) -> float:
        (theirs, theirs_count), (ours, ours_count) = self.tokens(reference), self.tokens(candidate)
        likeness = ours @ theirs.T
        precision = float(likeness.max(1).values[ours_count].mean())
        recall = float(likeness.max(0).values[theirs_count].mean())
        return 2 * precision * recall / (precision + recall)

    def tokens(self, text: str) -> tuple[Tensor, Tensor]:
        """Embeddings of length 1 of all tokens, ``(tokens, width)``, and which of them count.

        Raises:
            ValueError: The text has no token.
        """
        given = self.tokenizer(
            text.strip(), return_tensors="pt", truncation=True, max_length=MAX_TOKENS, return_special_tokens_mask=True
        )
        counted = given.pop("special_tokens_mask")[0] == 0
        if not counted.any():
            raise ValueError("a text without words has no BERT score")
        with torch.inference_mode():
            hidden = self.model(**given, output_hidden_states=True).hidden_states[self.layer][0]
        return torch.nn.functional.normalize(hidden, dim=-1), counted


def frame_words_similarity(describe: Callable[[Pixels], str]) -> Callable[[Pixels, Pixels], float]:
    """The score of what is said of a rebuilt frame against what is said of its source, with the weights here.

    Raises:
        MissingResourceError: The weights are not there, or transformers is not; the message has the command.
    """
    score = load_bert(weights_folder(find("roberta-large")))

    def similarity(source: Pixels, rebuilt: Pixels) -> float:
        return score(describe(source), describe(rebuilt))

    return similarity


@cache
def load_bert(folder: Path) -> BertScore:
    """The score with weights from a folder, safetensors only; an encoder of fewer layers is compared at its last.

    Raises:
        MissingResourceError: transformers is not installed.
    """
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise MissingResourceError("BERT score needs transformers: pip install 'lgvsc[paper]'") from error
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return BertScore(model.eval(), tokenizer, min(LAYER, model.config.num_hidden_layers))
