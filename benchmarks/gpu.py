"""Speed and memory of networks of the papers' size on one GPU: ``python benchmarks/gpu.py -o gpu.md`` (ten minutes).

All weights are random, so nothing here says how good anything looks or which keyframes come: it says how long the code
of lgvsc takes with networks of that size, and how much memory. Four parts, each through the classes that a run uses:

- NTSCC with Swin transforms as LGVSC trains it, pictures of 256 x 256 and of 480 lines;
- the shape of InternVL2-8B as captioner and judge in SKEM: the paper's procedure, and all modes of lgvsc;
- Open-Sora 1.2 (transformer, autoencoder), 51 frames at 256 x 256 and at 480p, 30 steps with guidance;
- Wan 2.1 VACE 1.3B (transformer, autoencoder), 81 frames at 480p, 30 steps with guidance.

Text encoders are left out: they run once for each segment. Scenes change every 27 pairs, about what Table VI gives.
``--tiny`` takes small networks, shapes and counts on a processor: a trial of every line of this file. ``--parts``
chooses. A row is not begun where less time is left than it is expected to take; it says so. ``--project`` runs nothing:
it counts operations on shapes alone and prints seconds by formula, marked as a projection.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import skem
from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Conditions, WorldModel
from lgvsc.core.video import Frame, VideoFormat
from lgvsc.nets.ntscc_swin import SwinNtscc
from lgvsc.nets.opensora_vae import OpenSoraVAE, latent_frames
from lgvsc.nets.stdit3 import STDiT3
from lgvsc.semantics.backends.large.internvl import InternVL
from lgvsc.semantics.backends.large.vision_language import LargeModelConfig
from lgvsc.semantics.keyframes import KeyframeConfig, choose_keyframes
from lgvsc.semantics.psss import Mode, Psss
from lgvsc.world.backends.diffusers.video import DiffusersConfig, DiffusersWorld
from lgvsc.world.backends.diffusers.wan import NEGATIVE, WanVace
from lgvsc.world.backends.opensora.opensora import OpenSora, OpenSoraConfig, OpenSoraNetworks

GAP = 27  # pairs from keyframe to keyframe
WORDS = 100  # tokens of a caption
STEPS = 30


@dataclass(frozen=True)
class Place:
    """Where and how large."""

    tiny: bool
    device: torch.device
    dtype: torch.dtype

    @property
    def steps(self) -> int:
        return 2 if self.tiny else STEPS

    def seconds(self, work: Callable[[], object]) -> float:
        """By the clock on the wall, until the device is done."""
        self.finish()
        started = time.perf_counter()
        work()
        self.finish()
        return time.perf_counter() - started

    def finish(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def peak_gib(self) -> float | None:
        """Of this row; nothing on a processor, where nobody counts."""
        return torch.cuda.max_memory_allocated() / 2**30 if self.device.type == "cuda" else None

    def forget_peak(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    @contextmanager
    def home(self, dtype: torch.dtype | None = None) -> Iterator[None]:
        """Networks that are made in it are made there, at once in their precision."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype or self.dtype)
        try:
            with self.device:
                yield
        finally:
            torch.set_default_dtype(before)


@dataclass(frozen=True)
class Line:
    """What is measured: ``work`` returns the seconds and what else is to be said."""

    part: str
    what: str
    unit: str
    expected_s: float  # on an H200, setting up included
    work: Callable[[], tuple[float, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="small networks on a processor: does every line run?")
    parser.add_argument("--project", action="store_true", help="count operations and print a projection, run nothing")
    parser.add_argument("--parts", default="ntscc,internvl,opensora,wan", help="with commas")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("-o", "--output", type=Path, help="the table, Markdown")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if arguments.project:
        project()
        return
    if not (arguments.tiny or torch.cuda.is_available()):
        parser.error("no GPU is here; --tiny tries this file on a processor, --project prints a projection")
    device = torch.device("cpu" if arguments.tiny else "cuda")
    place = Place(arguments.tiny, device, torch.float32 if arguments.tiny else torch.bfloat16)
    table = [*heading(place)]
    print("\n".join(table), flush=True)
    until = time.perf_counter() + 60 * arguments.minutes
    for part in parts:
        for line in PARTS[part](place):
            table.append(row(line, place, until - time.perf_counter()))
            print(table[-1], flush=True)
            if arguments.output:
                arguments.output.write_text("\n".join(table) + "\n", encoding="utf-8")


def heading(place: Place) -> list[str]:
    machine = platform.processor() or platform.machine()
    if place.device.type == "cuda":
        found = torch.cuda.get_device_properties(0)
        machine = f"{found.name}, {found.total_memory / 2**30:.0f} GiB"
    size = "TINY NETWORKS, a trial of the script and no result" if place.tiny else "networks of the papers' size"
    return [
        f"{machine}, PyTorch {torch.__version__}, {str(place.dtype).removeprefix('torch.')}, {size}, random weights\n",
        "| part | what | time | peak memory, GiB | more |\n|---|---|---|---|---|",
    ]


def row(line: Line, place: Place, left_s: float) -> str:
    """Measure it, if there is time."""
    told = f"| {line.part} | {line.what} |"
    if left_s < line.expected_s and not place.tiny:
        return f"{told} not run, {max(0.0, left_s):.0f} s were left | | |"
    place.forget_peak()
    try:
        spent, more = line.work()
    except torch.OutOfMemoryError:
        return f"{told} out of memory | | |"
    peak = place.peak_gib()
    return f"{told} {spent:.3g} {line.unit} | {'' if peak is None else f'{peak:.1f}'} | {more} |"


def millions(*networks: nn.Module) -> str:
    return f"{sum(p.numel() for net in networks for p in net.parameters()) / 1e6:.4g} M parameters"


def of_segment(frames: int, fps: int, steps: int, *networks: nn.Module) -> str:
    return f"{frames} frames, {frames / fps:.2f} s of video, {steps} steps, {millions(*networks)}"


# --- NTSCC ---


def ntscc(place: Place) -> Iterator[Line]:
    with place.home(torch.float32):
        net = (SwinNtscc.tiny() if place.tiny else SwinNtscc()).eval().requires_grad_(False)
    sizes = [(1, 64, 64), (2, 64, 128)] if place.tiny else [(1, 256, 256), (16, 256, 256), (1, 512, 832)]

    def both_ends(pictures: Tensor) -> None:
        latent = net.analyse(pictures)
        likelihood, _ = net.likelihood(latent)
        indices = net.choose_rates(likelihood)
        net.synthesise(net.decode(net.encode(latent, likelihood, indices), indices))

    @torch.inference_mode()
    def measured(count: int, height: int, width: int) -> tuple[float, str]:
        pictures = torch.rand(count, 3, height, width, device=place.device)
        both_ends(pictures)
        repeats = 1 if place.tiny else 20
        spent = place.seconds(lambda: [both_ends(pictures) for _ in range(repeats)])
        return 1000 * spent / repeats / count, f"float32, {millions(net)}, both ends"

    for count, height, width in sizes:
        what = f"{count} picture{'s' * (count > 1)} of {width}x{height}"
        yield Line("NTSCC, Swin", what, "ms a picture", 5, lambda size=(count, height, width): measured(*size))


# --- InternVL ---

INTERNVL2_8B: dict[str, Any] = {
    "vision_config": {
        "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
        "image_size": (448, 448), "patch_size": (14, 14),
    },
    "text_config": {
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 92553, "max_position_embeddings": 32768,
    },
}  # fmt: skip
TINY_INTERNVL: dict[str, Any] = {
    "vision_config": {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32,
        "image_size": (448, 448), "patch_size": (14, 14),
    },
    "text_config": {
        "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 64, "vocab_size": 5000, "max_position_embeddings": 8192,
    },
}  # fmt: skip


def internvl(place: Place) -> Iterator[Line]:
    from transformers import GotOcr2ImageProcessorPil, InternVLConfig, InternVLForConditionalGeneration
    from transformers.utils import logging

    logging.set_verbosity_error()
    tokenizer = skem.made_tokenizer()
    config = InternVLConfig(
        **(TINY_INTERNVL if place.tiny else INTERNVL2_8B),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=256,
        tie_word_embeddings=False,
    )
    with place.home():
        net: Any = InternVLForConditionalGeneration(config).requires_grad_(False)
    model = InternVL(
        name="internvl2-8b-random",
        revision="",
        model=net,
        tokenizer=tokenizer,
        image_processor=GotOcr2ImageProcessorPil(size={"height": 448, "width": 448}),
        config=LargeModelConfig(
            device=place.device.type,
            dtype="float32" if place.tiny else "bfloat16",
            description_tokens=8 if place.tiny else skem.DESCRIPTION,
            batch=64,
        ),
    )
    model._reader.stops = frozenset()  # random weights stop at random; every description gets its full length
    samples = 5 if place.tiny else 2 * GAP + 1
    frames = skem.clip(samples, GAP)

    def papers() -> tuple[float, str]:
        some = frames[: 2 if place.tiny else 4]
        skem.forget(model)
        skem.paper_run(model, some[:2], 0.99)  # the first one is slow
        spent = place.seconds(lambda: skem.paper_run(model, some, 0.99))
        return spent / (len(some) - 1), f"{len(some) - 1} pairs, {millions(net)}"

    def ours(mode: Mode, ahead: int) -> tuple[float, str]:
        through(model, mode, ahead, frames[: 1 + min(ahead, 8)])
        spent = place.seconds(lambda: through(model, mode, ahead, frames))
        cost: Cost = model.cost
        pairs = samples - 1
        return spent / pairs, (
            f"{pairs} pairs; each {cost.prefill_tokens / pairs:.0f} tokens read, {cost.decode_tokens / pairs:.0f} "
            f"written in {cost.decode_steps / pairs:.0f} steps"
        )

    yield Line("InternVL2-8B", "the paper's procedure", "s a pair", 60, papers)
    for name, mode, ahead in reversed(skem.WAYS):
        yield Line("InternVL2-8B", name, "s a pair", 60, lambda way=(mode, ahead): ours(*way))


def through(model: InternVL, mode: Mode, ahead: int, frames: Sequence[Frame]) -> None:
    """SKEM with keyframes where the scenes change, whatever random weights say."""
    skem.forget(model)
    similarity = Psss(model, model, mode=mode)

    def score(keyframe: Frame, candidates: Sequence[Frame]) -> list[float]:
        similarity.scores(keyframe, candidates)
        return [-1.0 if candidate.index % GAP else 1.0 for candidate in candidates]

    video = VideoFormat(*frames[0].pixels.shape[:2], Fraction(5), len(frames))
    config = KeyframeConfig(sample_fps=0, threshold=0.35, speculation=ahead, max_segment_frames=1000)
    list(choose_keyframes(frames, video, config, score, lambda _: False))


# --- Worlds ---


def segment(height: int, width: int, frames: int, fps: int, world: WorldModel) -> Conditions:
    """Two pictures of noise, a caption, and so many frames between."""
    pictures = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    return Conditions(
        video=VideoFormat(height, width, Fraction(fps)),
        start=0,
        stop=frames,
        first=pictures[0],
        last=pictures[1],
        last_index=frames,
        caption="a red car drives along a coast road towards the sea in the evening",
        motion=None,
        cut=None,
        latent_frames=world.latent_frames(frames),
        seed=0,
    )


def made(place: Place, world: WorldModel, size: tuple[int, int], frames: int, fps: int) -> float:
    """Seconds of one segment."""
    conditions = segment(*size, frames, fps, world)
    return place.seconds(lambda: [0 for _ in world.generate(conditions)])


class Words:
    """Stands in for T5: a row for each of 300 places, of which a caption fills a hundred."""

    def __init__(self, place: Place, width: int, rows: int) -> None:
        self.rows = torch.randn(1, 1, rows, width, device=place.device, dtype=place.dtype)
        self.mask = (torch.arange(rows, device=place.device) < WORDS).long()[None]

    def encode(self, prompt: str) -> tuple[Tensor, Tensor]:
        return self.rows, self.mask


def opensora(place: Place) -> Iterator[Line]:
    with place.home():
        transformer = STDiT3.tiny() if place.tiny else STDiT3()
        vae = OpenSoraVAE.tiny() if place.tiny else OpenSoraVAE()
    for net in (transformer, vae):
        net.eval().requires_grad_(False)
    _, rows = (16, 12) if place.tiny else (4096, 300)
    words = Words(place, 16 if place.tiny else 4096, rows)
    loaded = OpenSoraNetworks(transformer, vae, words, place.device, place.dtype)

    def measured(size: tuple[int, int], resolution: Any, frames: int) -> tuple[float, str]:
        def world(steps: int) -> OpenSora:
            return OpenSora(
                lambda: loaded, OpenSoraConfig(steps=steps, resolution=resolution, precision=loaded_precision(place))
            )

        made(place, world(1), size, frames, 24)
        spent = made(place, world(place.steps), size, frames, 24)
        return spent, of_segment(frames, 24, place.steps, transformer, vae)

    sizes: list[tuple[str, tuple[int, int], str, int, float]] = [
        ("256x256", (256, 256), "144p" if place.tiny else "240p", 17 if place.tiny else 51, 30),
        ("480p", (480, 854), "144p" if place.tiny else "480p", 17 if place.tiny else 51, 80),
    ]
    for what, size, resolution, frames, expected in sizes:
        yield Line("Open-Sora 1.2", what, "s a segment", expected, lambda a=(size, resolution, frames): measured(*a))


def loaded_precision(place: Place) -> Any:
    return "float32" if place.tiny else "bfloat16"


VACE_1_3B: dict[str, Any] = {
    "num_attention_heads": 12, "attention_head_dim": 128, "text_dim": 4096, "freq_dim": 256, "ffn_dim": 8960,
    "num_layers": 30, "vace_layers": list(range(0, 30, 2)), "vace_in_channels": 96,
}  # fmt: skip
TINY_VACE: dict[str, Any] = {
    "num_attention_heads": 2, "attention_head_dim": 12, "text_dim": 32, "freq_dim": 16, "ffn_dim": 24,
    "num_layers": 2, "vace_layers": [0, 1], "vace_in_channels": 96,
}  # fmt: skip
TINY_VAE: dict[str, Any] = {
    "base_dim": 3, "z_dim": 16, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1,
    "temperal_downsample": [False, True, True],
}  # fmt: skip


class ReadyVace(WanVace):
    """Wan VACE of networks that are in memory."""

    def __init__(self, pipeline: Any, config: DiffusersConfig) -> None:
        self.config = config.filled(steps=STEPS, guidance_scale=5.0, negative_prompt=NEGATIVE)
        self.pipeline = pipeline


def wan(place: Place) -> Iterator[Line]:
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanVACEPipeline, WanVACETransformer3DModel
    from diffusers.utils import logging
    from transformers import UMT5Config, UMT5EncoderModel

    logging.disable_progress_bar()
    sizes = TINY_VACE if place.tiny else VACE_1_3B
    with place.home():
        transformer = WanVACETransformer3DModel(**sizes)
        encoder = UMT5EncoderModel(  # stands in for UMT5-XXL: its width, one thin layer
            UMT5Config(vocab_size=4000, d_model=sizes["text_dim"], d_kv=8, d_ff=24, num_layers=1, num_heads=2)
        )
    with place.home(torch.float32):
        vae = AutoencoderKLWan(**(TINY_VAE if place.tiny else {}))
    for net in (transformer, encoder, vae):
        net.eval().requires_grad_(False)
    words = skem.made_tokenizer()
    words.add_special_tokens({"pad_token": "<video>"})
    pipeline = WanVACEPipeline(
        tokenizer=words,
        text_encoder=encoder,
        vae=vae,
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        transformer=transformer,
    )
    pipeline.set_progress_bar_config(disable=True)
    frames = 9 if place.tiny else 81

    def measured() -> tuple[float, str]:
        def world(steps: int) -> DiffusersWorld:
            config = DiffusersConfig(steps=steps, resolution="144p" if place.tiny else "480p", offload="none")
            return DiffusersWorld("wan", WanVace, lambda: ReadyVace(pipeline, config), config)

        made(place, world(1), (480, 832), frames, 16)
        spent = made(place, world(place.steps), (480, 832), frames, 16)
        return spent, of_segment(frames, 16, place.steps, transformer, vae)

    yield Line("Wan 2.1 VACE 1.3B", "480p", "s a segment", 240, measured)


PARTS: dict[str, Callable[[Place], Iterator[Line]]] = {
    "ntscc": ntscc,
    "internvl": internvl,
    "opensora": opensora,
    "wan": wan,
}


# --- Projection ---


def project() -> None:
    """Operations counted on shapes alone, and seconds at a share of each GPU's peak."""
    print(
        "PROJECTION, not measured: operations counted on shapes (a multiplication and its addition are two), seconds "
        f"at {skem.PEAK_SHARE:.0%} of the peak; InternVL2-8B is projected by benchmarks/skem.py\n"
    )
    print("| what | operations | " + " | ".join(skem.GPUS) + " |\n|---|---|" + "---|" * len(skem.GPUS))
    for what, flops in counted():
        seconds = " | ".join(f"{flops / (skem.PEAK_SHARE * peak):.3g} s" for peak, _ in skem.GPUS.values())
        print(f"| {what} | {flops:.2e} | {seconds} |", flush=True)


def counted() -> Iterator[tuple[str, float]]:
    """What the rows of the table are made of."""
    from diffusers import AutoencoderKLWan, WanVACETransformer3DModel

    with torch.device("meta"):
        stdit, vae = STDiT3(), OpenSoraVAE()
        for what, (height, width) in (("256x256", (320, 320)), ("480p", (480, 848))):
            latents = latent_frames(51) + 1
            z = torch.empty(2, 4, latents, height // 8, width // 8)
            time_, words = torch.zeros(2), torch.empty(2, 1, 300, 4096)
            call = operations(lambda z=z, t=time_, w=words: stdit(z, t, w, fps=torch.full((1,), 24.0)))
            yield f"Open-Sora 1.2, {what}, 51 frames: transformer, {STEPS} steps with guidance", STEPS * call
            yield (
                f"Open-Sora 1.2, {what}, 51 frames: autoencoder, out",
                operations(lambda z=z: vae.decode(z[:1, :, :-1], 51)),
            )
        wan_net, wan_vae = WanVACETransformer3DModel(**VACE_1_3B), AutoencoderKLWan()
        z = torch.empty(1, 16, 21, 60, 104)
        control, words = torch.empty(1, 96, 21, 60, 104), torch.empty(1, 512, 4096)
        call = operations(lambda: wan_net(z, torch.zeros(1), words, control_hidden_states=control))
        yield f"Wan 2.1 VACE 1.3B, 480p, 81 frames: transformer, {STEPS} steps with guidance", 2 * STEPS * call
        yield "Wan 2.1 VACE 1.3B, 480p, 81 frames: autoencoder, out", operations(lambda: wan_vae.decode(z))


@torch.inference_mode()
def operations(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


if __name__ == "__main__":
    main()
