"""BLEU and ROUGE-L of a caption against one or more references, by the libraries that define them in practice.

Both come with the extra ``tasks``. Source: Papineni et al. 2002 through sacrebleu; Lin 2004 through rouge-score; used
by Ma et al. 2026 (arXiv:2606.12899), Table III.
"""

from __future__ import annotations

from collections.abc import Sequence

from lgvsc.errors import MissingResourceError

MISSING = "{} needs {}: pip install 'lgvsc[tasks]'"


def bleu(candidate: str, references: Sequence[str]) -> float:
    """BLEU-4 of one sentence in [0, 1]: sacrebleu's sentence score over 100, tokens by 13a, orders as they occur.

    Raises:
        MissingResourceError: sacrebleu is not installed.
        ValueError: There is no reference.
    """
    try:
        from sacrebleu import sentence_bleu
    except ImportError as error:
        raise MissingResourceError(MISSING.format("BLEU", "sacrebleu")) from error
    if not references:
        raise ValueError("BLEU compares with references, and there is none")
    return float(sentence_bleu(candidate, list(references)).score) / 100


def rouge_l(candidate: str, references: Sequence[str]) -> float:
    """F-measure of the longest common subsequence in [0, 1], of the reference that gives the most; no stemming.

    Raises:
        MissingResourceError: rouge-score is not installed.
        ValueError: There is no reference.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingResourceError(MISSING.format("ROUGE-L", "rouge-score")) from error
    if not references:
        raise ValueError("ROUGE-L compares with references, and there is none")
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    return max(float(scorer.score(reference, candidate)["rougeL"].fmeasure) for reference in references)
