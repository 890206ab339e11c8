"""Everything that a figure or a table of the papers has numbers of: how it is called, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

from lgvsc.metrics.registry import BY_COLUMN, Direction


@dataclass(frozen=True, slots=True)
class Name:
    """How a quantity is shown.

    Attributes:
        label: In tables and figures.
        digits: As a format: ``.3f``, ``.2e``.
        direction: Which way is better; empty where none is.
    """

    label: str
    digits: str = ".3f"
    direction: Direction | str = ""

    def shown(self, value: float | None) -> str:
        """A value in its digits; a dash for none."""
        return "-" if value is None else format(value, self.digits)

    @property
    def titled(self) -> str:
        """The label with an arrow to the better side."""
        return self.label + {"higher": " ↑", "lower": " ↓"}.get(self.direction, "")


NAMES: dict[str, Name] = {
    **{
        column: Name(metric.label.replace("dB", "(dB)"), f".{metric.digits}f", metric.direction)
        for column, metric in BY_COLUMN.items()
    },
    "cbr": Name("CBR", ".2e", "lower"),
    "arrived": Name("arrived whole", ".2f", "higher"),
    # Parameters of a baseline
    "qp": Name("QP", ".0f"),
    "gop_frames": Name("GOP (frames)", ".0f"),
    "code_rate": Name("LDPC rate", ".3f"),
    "qam": Name("QAM", ".0f"),
    # Video description
    "bleu": Name("BLEU", ".4f", "higher"),
    "rouge_l": Name("ROUGE-L", ".4f", "higher"),
    "bert_captions": Name("BERT score of captions", ".4f", "higher"),
    "sentence_similarity": Name("sentence similarity", ".4f", "higher"),
    # Action classification
    "top_1": Name("Top-1", ".4f", "higher"),
    "top_5": Name("Top-5", ".4f", "higher"),
    # Depth
    "d1": Name("D1", ".4f", "higher"),
    "d2": Name("D2", ".4f", "higher"),
    "d3": Name("D3", ".4f", "higher"),
    "abs_rel": Name("AbsRel", ".4f", "lower"),
    "rmse": Name("RMSE", ".2f", "lower"),
    # Counts of keyframes
    "mean": Name("mean", ".2f"),
    "std": Name("std", ".2f"),
    "min": Name("min", ".0f"),
    "max": Name("max", ".0f"),
    "cv": Name("CV", ".3f", "lower"),
    "differ": Name("share of clips that differ by 3 or more", ".2f"),
    # Pairs of frames
    "s_rel": Name("S_rel", "+.3f"),
    "s_rel_main": Name("S_rel, main object", "+.3f"),
    "s_rel_background": Name("S_rel, background", "+.3f"),
    "similarity": Name("cosine", ".3f"),
    "pairs": Name("pairs", ".0f"),
    # Rates by the accounting of GVSC
    "cbr_printed": Name("CBR", ".2e", "lower"),
    "cbr_exact": Name("CBR of the paper's own symbols", ".2e", "lower"),
    "cbr_sent": Name("CBR, all that is sent", ".2e", "lower"),
    "cbr_adaptive": Name("CBR, all that is sent, words coded for the SNR", ".2e", "lower"),
    # Sketches
    "contour_f": Name("F-measure of contours", ".3f", "higher"),
    # Time
    "s_per_minute": Name("SKEM, s per minute of video", ".2f", "lower"),
    "s_per_pair": Name("s per pair", ".3f", "lower"),
    "caption_share": Name("share of describing in it", ".3f"),
    "keyframe_ms": Name("keyframe coding, ms per frame", ".1f", "lower"),
    "world_s_per_s": Name("world model, s per second of video", ".2f", "lower"),
    "speedup": Name("speed-up", ".1f", "higher"),
}
