"""What SKEM costs with a large model, the paper's way and ours: ``python benchmarks/skem.py``.

One InternVL with random weights and realistic lengths (256 tokens for each frame, 125 for each description) goes
through one clip in four ways: the paper's procedure, each pair on its own with the library's ``generate`` and
everything read again for the question; and the three modes of lgvsc. Counts and operations carry over to a model of
any size. Seconds do not: on a GPU writing a token costs as much as reading a hundred or more, because it reads all
weights (InternVL2-8B on an RTX 4090, by the formula below: 30 ms against 0.2 ms). The layers here are so narrow that a
step on a processor is likewise dominated by a fixed cost; how many tokens are read in the time of one step is printed.
For the same reason the heads are small: keys and values of one conversation are under one per cent of what a step of
InternVL2-8B reads, and with wide heads they would be most of what a step costs here.

The last table projects the counts onto InternVL2-8B on three GPUs by formula. It is a projection, not a measurement.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from transformers.utils import logging

from lgvsc.core.cost import Cost
from lgvsc.core.video import Frame, VideoFormat
from lgvsc.semantics.backends.large.internvl import InternVL, load
from lgvsc.semantics.backends.large.vision_language import LargeModelConfig
from lgvsc.semantics.keyframes import KeyframeConfig, choose_keyframes
from lgvsc.semantics.prompts import DESCRIBE_PAIR, QUESTIONS
from lgvsc.semantics.psss import Mode, Psss, semantic_divergence

PAIRS_PER_MINUTE = 279  # LGVSC, section III-E: 2444 s per minute of video at 8.77 s per pair
DESCRIPTION = 125  # tokens for each frame, from the same timing
TIE_MARGIN = 1e-5  # in logits; what rounding makes of them in so small a model is printed, and far less
GPUS = {
    "RTX 4090": (165.2e12, 1.008e12),
    "H100": (989.4e12, 3.35e12),
    "H200": (989.4e12, 4.8e12),
}  # bf16 FLOP/s, byte/s
PEAK_SHARE, BANDWIDTH_SHARE = 0.45, 0.5  # of the peak in reading, of the bandwidth in writing
TILE_FLOPS, TOKEN_FLOPS, WEIGHT_BYTES, KEPT_BYTES = 0.74e12, 14.7e9, 15.0e9, 131e3  # InternVL2-8B in bfloat16


@dataclass
class Run:
    """One way through the clip."""

    name: str
    keyframes: list[int]
    curve: list[float]
    cost: Cost
    seconds: float

    @property
    def pairs(self) -> int:
        """Pairs that had to be scored."""
        return len(self.curve)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=55, help="frames that SKEM looks at")
    parser.add_argument("--hidden", type=int, default=32, help="width of the language part")
    parser.add_argument("--layers", type=int, default=24, help="depth of the language part")
    parser.add_argument("--head", type=int, default=8, help="size of its one attention head")
    parser.add_argument("--gap", type=int, default=27, help="pairs from keyframe to keyframe; Table VI gives about 27")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)
    frames = clip(arguments.samples, arguments.gap)
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), arguments.hidden, arguments.layers, arguments.head)
        config = LargeModelConfig(
            device="cpu", dtype="float32", description_tokens=DESCRIPTION, batch=64, tie_margin=TIE_MARGIN
        )
        model = load(Path(folder), config)
    model._reader.stops = frozenset()  # random weights stop at random; every description gets its full length
    size = sum(p.numel() for p in model._model.parameters()) / 1e6
    print(
        f"InternVL with {size:.1f} M random weights, {arguments.samples} samples, {arguments.threads} thread, float32"
    )
    print(f"writing a token takes as long as reading {step_ratio(model, frames):.0f}")
    print(f"logits in a batch of 16 differ from those alone by {rounding(model, frames):.0e} at most\n", flush=True)

    threshold = threshold_for(model, "joint", frames, arguments.gap)
    runs = [paper_run(model, frames, threshold)]
    heading()
    row(runs[0], runs[0])
    for name, mode, ahead in WAYS:
        if mode != "joint":
            threshold = threshold_for(model, mode, frames, arguments.gap)
        runs.append(our_run(model, name, mode, ahead, frames, threshold))
        row(runs[-1], runs[0])
    agreement(runs)
    project(runs)


WAYS: list[tuple[str, Mode, int]] = [
    ("joint, 8 ahead", "joint", 8),
    ("joint, 16 ahead", "joint", 16),
    ("cached, 64 ahead", "cached", 64),
    ("direct, 8 ahead", "direct", 8),
]


# --- the runs ---


def paper_run(model: InternVL, frames: Sequence[Frame], threshold: float) -> Run:
    """Each pair by itself: describe, with both frames in the prompt; then read frames, text and question again."""
    cost = Cost()
    net, image_token = model._model, model._reader.image_token

    def pixels(pair: Sequence[Frame]) -> torch.Tensor:
        cost.vision_tiles += len(pair)
        found: torch.Tensor = model._image_processor(
            [f.pixels for f in pair], crop_to_patches=False, return_tensors="pt"
        ).pixel_values
        return found.to(net.device, net.dtype)

    def score(keyframe: Frame, candidates: Sequence[Frame]) -> list[float]:
        (candidate,) = candidates
        slots = f"<img>{'<IMG_CONTEXT>' * net.config.image_seq_length}</img>\n"
        text = model.chat.opening(f"Image-1: {slots}Image-2: {slots}{DESCRIBE_PAIR}")
        ids = model._tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids.to(net.device)
        with torch.inference_mode():
            written = net.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                pixel_values=pixels([keyframe, candidate]),
                max_new_tokens=2 * DESCRIPTION,
                min_new_tokens=2 * DESCRIPTION,
                do_sample=False,
                suppress_tokens=[image_token],
                eos_token_id=None,
                pad_token_id=0,
            )
            asked = torch.tensor([model._ids(model.chat.following(QUESTIONS["general"]))], device=net.device)
            whole = torch.cat([written, asked], dim=1)
            logits = net(input_ids=whole, pixel_values=pixels([keyframe, candidate]), logits_to_keep=1).logits
        p = torch.softmax(logits[0, -1].float(), dim=-1)
        cost.pairs += 1
        cost.prefill_tokens += ids.shape[1] + whole.shape[1]
        cost.decode_tokens += 2 * DESCRIPTION
        cost.decode_steps += 2 * DESCRIPTION - 1
        return [semantic_divergence(float(p[model._yes].sum()), float(p[model._no].sum()))]

    run = walk("paper's procedure", score, frames, KeyframeConfig(sample_fps=0, threshold=threshold), cost)
    cost.flops = cost.vision_tiles * tile_flops(model, frames[0])
    reader = model._reader
    first = 2 * 256 + len(model._ids(model.chat.opening(DESCRIBE_PAIR))) + 10
    second = first + 2 * DESCRIPTION + len(model._ids(model.chat.following(QUESTIONS["general"])))
    attended = (first**2 + second**2) / 2 + 2 * DESCRIPTION * (first + DESCRIPTION)
    tokens = cost.prefill_tokens + cost.decode_tokens
    cost.flops += tokens * reader.token_flops + run.pairs * attended * reader.context_flops
    cost.flops += (cost.decode_tokens + run.pairs) * reader.head_flops
    return run


def our_run(model: InternVL, name: str, mode: Mode, ahead: int, frames: Sequence[Frame], threshold: float) -> Run:
    """SKEM as `lgvsc keyframes` runs it, from a model that has seen nothing yet."""
    forget(model)
    similarity = Psss(model, model, mode=mode)

    def score(keyframe: Frame, candidates: Sequence[Frame]) -> list[float]:
        return [found.divergence for found in similarity.scores(keyframe, candidates)]

    config = KeyframeConfig(sample_fps=0, threshold=threshold, speculation=ahead, rescore_band=1e-7)
    return walk(name, score, frames, config, model.cost)


def walk(
    name: str,
    score: Callable[[Frame, Sequence[Frame]], list[float]],
    frames: Sequence[Frame],
    config: KeyframeConfig,
    cost: Cost,
) -> Run:
    video = VideoFormat(*frames[0].pixels.shape[:2], Fraction(5), len(frames))
    config = replace(config, max_segment_frames=1000)
    started = time.process_time()
    choices = list(choose_keyframes(frames, video, config, score, lambda _: False))
    seconds = time.process_time() - started
    curve = [choice.divergence for choice in choices if choice.divergence is not None]
    return Run(name, [choice.frame.index for choice in choices if choice.keyframe], curve, cost, seconds)


def forget(model: InternVL) -> None:
    model.cost = Cost()
    model._pictures.clear()
    model._opened.clear()


def threshold_for(model: InternVL, mode: Mode, frames: Sequence[Frame], gap: int) -> float:
    """A threshold that makes about one keyframe in ``gap`` pairs; random weights do not care about 0.35."""
    forget(model)
    similarity = Psss(model, model, mode=mode)
    known: dict[tuple[int, int], float] = {}

    def score(keyframe: Frame, candidates: Sequence[Frame]) -> list[float]:
        new = [c for c in candidates if (keyframe.index, c.index) not in known]
        for frame, found in zip(new, similarity.scores(keyframe, new), strict=True):
            known[keyframe.index, frame.index] = found.divergence
        return [known[keyframe.index, c.index] for c in candidates]

    first = sorted(score(frames[0], frames[1:]))
    wanted = 1 + (len(frames) - 1) / gap
    tried: dict[float, float] = {}
    low, high = 0, len(first) - 1
    while low <= high:  # the lower the threshold, the more keyframes, more or less
        middle = (low + high + 1) // 2 if tried else round((1 - 1 / gap) * high)
        threshold = first[middle] + 1e-6
        config = KeyframeConfig(sample_fps=0, threshold=threshold, speculation=32, rescore_band=0.0)
        count = len(walk("", score, frames, config, Cost()).keyframes)
        tried[threshold] = abs(count - wanted)
        if tried[threshold] <= 1 or len(tried) == 5:
            break
        low, high = (middle + 1, high) if count > wanted else (low, middle - 1)
    return min(tried, key=lambda at: tried[at])


# --- clip and model ---


def clip(samples: int, gap: int) -> list[Frame]:
    """Scenes of coarse noise in which a patch wanders; a new scene every ``gap`` samples."""
    rng = np.random.default_rng(0)
    frames = []
    for index in range(samples):
        if index % gap == 0:
            scene = cv2.resize(
                rng.integers(0, 255, (6, 8, 3)).astype(np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC
            )
        picture = scene.copy()
        picture[80:150, 8 * (index % gap) : 8 * (index % gap) + 60] = rng.integers(0, 255, 3)
        frames.append(Frame(index, picture))
    return frames


def made_tokenizer() -> Any:
    """A tokenizer of 4000 made-up pieces with InternVL's marks."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    rng = np.random.default_rng(1)
    syllables = [
        "".join(rng.choice(list(letters)) for letters in ("bdfgklmnprst", "aeiou", "lmnrst ")) for _ in range(400)
    ]
    text = io.StringIO(" ".join("".join(rng.choice(syllables, 3)) for _ in range(20_000)))
    marks = ["<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>"]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    words = [*text.read().split("  "), " ".join(QUESTIONS.values()), DESCRIBE_PAIR, "Yes No yes no"]
    made.train_from_iterator(words, trainers.BpeTrainer(vocab_size=4000, special_tokens=marks, show_progress=False))
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token="<|im_end|>",
        extra_special_tokens={
            "start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
    )  # fmt: skip


def write_model(folder: Path, hidden: int, layers: int, head: int) -> None:
    """An InternVL of the shape of the real one in everything that sets the number of tokens."""
    from transformers import GotOcr2ImageProcessorPil, InternVLConfig, InternVLForConditionalGeneration

    tokenizer = made_tokenizer()
    config = InternVLConfig(
        vision_config={
            "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 64,
            "image_size": (448, 448), "patch_size": (14, 14),
        },
        text_config={
            "model_type": "qwen2", "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": 1,
            "num_key_value_heads": 1, "head_dim": head, "intermediate_size": 3 * hidden, "vocab_size": len(tokenizer),
            "max_position_embeddings": 8192,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=256,
        tie_word_embeddings=False,
    )  # fmt: skip
    net: Any = InternVLForConditionalGeneration(config)
    generator = torch.Generator().manual_seed(0)
    for name, weight in net.named_parameters():
        if weight.ndim > 1:
            fan_in = 1 if "embed" in name else weight.shape[1:].numel()
            weight.data.copy_(torch.randn(weight.shape, generator=generator) / fan_in**0.5)
    net.get_output_embeddings().weight.data.mul_(2.0)
    net.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    GotOcr2ImageProcessorPil(size={"height": 448, "width": 448}).save_pretrained(folder)


def step_ratio(model: InternVL, frames: Sequence[Frame]) -> float:
    """How many tokens are read in the time that one is written in, each alone and in the middle of things."""
    (prompt,) = model._pair_prompts(QUESTIONS["general"], frames[0], frames[1:2])
    known, _ = model._reader.read([prompt.cut(len(prompt.ids) - 301)], None, Cost())
    best_read = best_write = float("inf")
    for _ in range(3):
        started = time.process_time()
        model._reader.read([prompt], known, Cost())
        best_read = min(best_read, (time.process_time() - started) / 301)
        started = time.process_time()
        model._reader.write([prompt], known, 21, Cost())
        best_write = min(best_write, (time.process_time() - started - 301 * best_read) / 20)
    return best_write / best_read


def rounding(model: InternVL, frames: Sequence[Frame]) -> float:
    """The largest difference that sharing a batch makes to a logit."""
    prompts = model._pair_prompts(QUESTIONS["general"], frames[0], frames[1:17])
    together = model._reader.read(prompts, None, Cost())[1]
    alone = [model._reader.read([prompt], None, Cost())[1][0] for prompt in prompts]
    return float((together - torch.stack(alone)).abs().max())


def tile_flops(model: InternVL, frame: Frame) -> float:
    model.cost = Cost()
    model.picture(frame, 1)
    return model.cost.flops


# --- tables ---


def heading() -> None:
    print("measured: seconds of processor time, one thread, for each pair that SKEM needs")
    print(
        f"{'way':<20}{'tiles':>6}{'read':>7}{'written':>8}{'steps':>7}{'MFLOP':>8}{'seconds':>9}"
        f"{'FLOP gain':>11}{'time gain':>11}{'in vain':>9}  keyframes",
        flush=True,
    )


def row(run: Run, paper: Run) -> None:
    c, n = run.cost, run.pairs
    each_s, paper_s = run.seconds / n, paper.seconds / paper.pairs
    same = "as the paper's" if run.keyframes == paper.keyframes else f"{len(run.keyframes)}, a score of its own"
    print(
        f"{run.name:<20}{c.vision_tiles / n:>6.2f}{c.prefill_tokens / n:>7.0f}{c.decode_tokens / n:>8.0f}"
        f"{c.decode_steps / n:>7.0f}{c.flops / n / 1e6:>8.0f}{each_s:>9.4f}"
        f"{paper.cost.flops / paper.pairs / (c.flops / n):>11.1f}{paper_s / each_s:>11.1f}"
        f"{c.wasted_share(n):>9.1%}  {same}",
        flush=True,
    )


def agreement(runs: Sequence[Run]) -> None:
    """How far the joint mode's scores are from the paper's procedure."""
    paper = runs[0]
    for run in runs[1:]:
        if run.keyframes == paper.keyframes and len(run.curve) == len(paper.curve):
            worst = max(abs(a - b) for a, b in zip(run.curve, paper.curve, strict=True))
            print(f"{run.name}: largest difference from the paper's procedure in S_rel {worst:.1e}")
    print(f"paper's procedure: {len(paper.keyframes)} keyframes in {paper.pairs} pairs\n", flush=True)


def project(runs: Sequence[Run]) -> None:
    """Seconds per minute of video from the counts, by the formula at the top of this file."""
    print(
        f"PROJECTION, not measured: InternVL2-8B in bfloat16, seconds for a minute of video ({PAIRS_PER_MINUTE} pairs)"
    )
    print(f"{'way':<20}" + "".join(f"{name:>11}" for name in GPUS))
    for run in runs:
        c, n = run.cost, run.pairs
        read = (c.vision_tiles * TILE_FLOPS + (c.prefill_tokens + c.decode_tokens) * TOKEN_FLOPS) / n
        kept = KEPT_BYTES * 700 * c.decode_tokens / n  # keys and values of the tokens before, read for each written one
        written = c.decode_steps / n * WEIGHT_BYTES + kept
        seconds = [
            PAIRS_PER_MINUTE * (read / (PEAK_SHARE * flops) + written / (BANDWIDTH_SHARE * bandwidth))
            for flops, bandwidth in GPUS.values()
        ]
        print(f"{run.name:<20}" + "".join(f"{value:>11.0f}" for value in seconds))


if __name__ == "__main__":
    main()
