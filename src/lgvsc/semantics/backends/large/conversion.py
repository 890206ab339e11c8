"""Published checkpoints rewritten into the layouts of the transformers library: InternVL2 and PLLaVA.

Both were published for code that came with the weights or with a repository. The networks are the library's own under
other names, so the tensors are renamed, split or merged once, and no foreign code runs afterwards. Weights are
read and written one file at a time.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lgvsc.errors import InputError, MissingResourceError

Renamed = Iterator[tuple[str, Tensor]]

IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
LORA_ALPHA = 4.0  # PLLaVA is trained with 32 and evaluated with 4
INTERNVL_MARKS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
VISION = {
    "embeddings.class_embedding": "embeddings.cls_token",
    "embeddings.position_embedding": "embeddings.position_embeddings",
    "embeddings.patch_embedding": "embeddings.patch_embeddings.projection",
    "encoder.layers.": "encoder.layer.",
    "attn.proj.": "attention.projection_layer.",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    ".ls1": ".lambda_1",
    ".ls2": ".lambda_2",
}
LANGUAGE = {
    "tok_embeddings": "embed_tokens",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.w2": "mlp.down_proj",
    "attention.wo": "self_attn.o_proj",
}
CONNECTOR = {"mlp1.0": "layer_norm", "mlp1.1": "linear_1", "mlp1.3": "linear_2"}


def convert(source: Path, target: Path) -> None:
    """Rewrite a checkpoint. ``target`` appears when it is whole.

    Raises:
        InputError: ``source`` is in neither of the two layouts, or holds a tensor that has no place.
        MissingResourceError: The transformers or the sentencepiece library is not installed.
    """
    try:
        import sentencepiece
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingResourceError("conversion needs more libraries: pip install 'lgvsc[paper]'") from error
    config = _read_config(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as made:
        folder = Path(made) / "made"
        folder.mkdir()
        if config.get("model_type") == "internvl_chat":
            prefix = _puts_prefix(sentencepiece, source)
            _convert_internvl(source, folder, config, prefix)
        elif any("lora_A" in name or "base_model.model." in name for name in _tensor_names(source)):
            _convert_pllava(source, folder, config)
        else:
            raise InputError(
                f"{source} holds a {config.get('model_type')!r}, which is neither InternVL2 as published nor PLLaVA; "
                "folders in the library's own layout need no conversion"
            )
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)


# --- InternVL2 ---


def _convert_internvl(source: Path, folder: Path, config: Mapping[str, Any], prefix: bool) -> None:
    from transformers import GotOcr2ImageProcessorPil, InternVLConfig, LlamaConfig, LlamaTokenizer

    text, vision = config["llm_config"], config["vision_config"]
    architecture = (text.get("architectures") or ["?"])[0]
    if architecture != "InternLM2ForCausalLM":
        raise InputError(f"the language part is {architecture}; only those of InternVL2-2B, 8B, 20B and 26B are known")
    if vision.get("qk_normalization") or vision.get("norm_type", "layer_norm") != "layer_norm":
        raise InputError("the vision part is not InternViT-300M; its normalisation is another one")
    tokenizer = LlamaTokenizer.from_pretrained(
        source, add_prefix_space=prefix, legacy=prefix, extra_special_tokens=INTERNVL_MARKS, local_files_only=True
    )
    tokenizer.save_pretrained(folder)
    side = int(config.get("force_image_size") or vision["image_size"])
    GotOcr2ImageProcessorPil(
        size={"height": side, "width": side},
        image_mean=IMAGENET_MEAN,
        image_std=IMAGENET_STD,
        min_patches=1,
        max_patches=int(config.get("max_dynamic_patch", 12)),
    ).save_pretrained(folder)
    llama = LlamaConfig(
        vocab_size=text["vocab_size"],
        hidden_size=text["hidden_size"],
        intermediate_size=text["intermediate_size"],
        num_hidden_layers=text["num_hidden_layers"],
        num_attention_heads=text["num_attention_heads"],
        num_key_value_heads=text["num_key_value_heads"],
        rms_norm_eps=text["rms_norm_eps"],
        max_position_embeddings=text["max_position_embeddings"],
        # The scaling of the original acts beyond max_position_embeddings only, where no conversation of ours goes.
        rope_parameters={"rope_type": "default", "rope_theta": float(text["rope_theta"])},
        tie_word_embeddings=False,
    )
    slots = int((side // vision["patch_size"]) ** 2 * config["downsample_ratio"] ** 2)
    made = InternVLConfig(
        vision_config={
            "hidden_size": vision["hidden_size"],
            "num_hidden_layers": vision["num_hidden_layers"],
            "num_attention_heads": vision["num_attention_heads"],
            "intermediate_size": vision["intermediate_size"],
            "image_size": (side, side),
            "patch_size": (vision["patch_size"],) * 2,
            "layer_norm_eps": vision["layer_norm_eps"],
            "hidden_act": vision["hidden_act"],
            "attention_bias": bool(vision["qkv_bias"]),
        },
        text_config=llama.to_dict(),
        image_token_id=tokenizer.convert_tokens_to_ids(INTERNVL_MARKS["context_image_token"]),
        image_seq_length=slots,
        downsample_ratio=config["downsample_ratio"],
        tie_word_embeddings=False,
    )
    made.architectures = ["InternVLForConditionalGeneration"]
    made.save_pretrained(folder)
    groups = text["num_attention_heads"] // text["num_key_value_heads"]
    _rewrite(source, folder, lambda tensors: _internvl_names(tensors, text["num_key_value_heads"], groups))


def _internvl_names(tensors: Iterator[tuple[str, Tensor]], kv_heads: int, groups: int) -> Renamed:
    """Tensors under the library's names; fused projections are parted."""
    for name, value in tensors:
        owner, _, rest = name.partition(".")
        if owner == "vision_model":
            yield from _vision_names("model.vision_tower." + _replaced(rest, VISION), value)
        elif owner == "mlp1":
            layer, _, kind = rest.partition(".")
            yield f"model.multi_modal_projector.{CONNECTOR[f'mlp1.{layer}']}.{kind}", value
        elif rest == "output.weight":
            yield "lm_head.weight", value
        elif owner == "language_model" and ".wqkv." in rest:
            yield from _parted_qkv("model.language_model." + rest.removeprefix("model."), value, kv_heads, groups)
        elif owner == "language_model":
            yield "model.language_model." + _replaced(rest.removeprefix("model."), LANGUAGE), value
        else:
            raise InputError(f"the tensor {name} has no place in InternVL")


def _vision_names(name: str, value: Tensor) -> Renamed:
    if ".attn.qkv." not in name:
        yield name, value
        return
    for part, rows in zip("qkv", value.chunk(3), strict=True):
        yield name.replace(".attn.qkv.", f".attention.{part}_proj."), rows.contiguous()


def _parted_qkv(name: str, value: Tensor, kv_heads: int, groups: int) -> Renamed:
    """One projection holds for each key head its queries, the key and the value."""
    blocks = value.view(kv_heads, groups + 2, -1, value.shape[1])
    for part, rows in (("q", blocks[:, :groups]), ("k", blocks[:, groups]), ("v", blocks[:, groups + 1])):
        yield name.replace("attention.wqkv.", f"self_attn.{part}_proj."), rows.reshape(-1, value.shape[1]).contiguous()


# --- PLLaVA ---


def _convert_pllava(source: Path, folder: Path, config: Mapping[str, Any]) -> None:
    known = ("text_config", "vision_config", "projector_hidden_act", "image_token_index", "pad_token_id")
    made = {key: config[key] for key in known if key in config}
    missing = {"text_config", "vision_config"} - set(made)
    if missing:
        raise InputError(f"{source / 'config.json'} lacks {', '.join(sorted(missing))}; it is not PLLaVA's")
    made |= {
        "model_type": "llava",
        "architectures": ["LlavaForConditionalGeneration"],
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "tie_word_embeddings": False,
    }
    (folder / "config.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    for path in source.iterdir():
        if path.name.startswith(("tokenizer", "special_tokens", "added_tokens", "preprocessor", "generation")):
            shutil.copyfile(path, folder / path.name)
    adapters = _collect(source, lambda name: ".lora_" in name)
    rank = next((value.shape[0] for name, value in adapters.items() if ".lora_A." in name), 1)
    _rewrite(source, folder, lambda tensors: _pllava_names(tensors, adapters, LORA_ALPHA / rank))


def _pllava_names(tensors: Iterator[tuple[str, Tensor]], adapters: Mapping[str, Tensor], factor: float) -> Renamed:
    """Plain names; what was learned on top of a projection is added to it."""
    for name, value in tensors:
        if ".lora_" in name:
            continue
        if ".base_layer." in name:
            stem = name.split(".base_layer.")[0]
            down, up = (adapters.get(f"{stem}.lora_{part}.default.weight") for part in "AB")
            if name.endswith(".weight") and down is not None and up is not None:
                value = (value.float() + factor * (up.float() @ down.float())).to(value.dtype)
        yield name.replace("base_model.model.", "").replace(".base_layer.", "."), value


# --- files ---


def _rewrite(source: Path, folder: Path, rename: Callable[[Iterator[tuple[str, Tensor]]], Renamed]) -> None:
    """Each weight file of the source under new names, and an index over them."""
    from safetensors.torch import save_file

    files = _weight_files(source)
    places: dict[str, str] = {}
    size = 0
    for number, path in enumerate(files, 1):
        name = f"model-{number:05d}-of-{len(files):05d}.safetensors" if len(files) > 1 else "model.safetensors"
        tensors = dict(rename(_tensors(path)))
        doubled = places.keys() & tensors.keys()
        if doubled:
            raise InputError(f"{path} holds {sorted(doubled)[0]} a second time")
        save_file(tensors, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(tensors, name)
        size += sum(value.numel() * value.element_size() for value in tensors.values())
    if len(files) > 1:
        index = {"metadata": {"total_size": size}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def _weight_files(source: Path) -> list[Path]:
    files = sorted(source.glob("*.safetensors"))
    if not files:
        raise InputError(f"{source} holds no .safetensors file; pickled weights are not read")
    return files


def _tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  (not a mapping)
                yield name, file.get_tensor(name)
    except SafetensorError as error:
        raise InputError(f"{path} is no safetensors file: {error}") from error


def _tensor_names(source: Path) -> Iterator[str]:
    from safetensors import SafetensorError, safe_open

    for path in _weight_files(source):
        try:
            with safe_open(path, framework="pt") as file:
                yield from file.keys()
        except SafetensorError as error:
            raise InputError(f"{path} is no safetensors file: {error}") from error


def _collect(source: Path, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    return {name: value for path in _weight_files(source) for name, value in _tensors(path) if wanted(name)}


def _replaced(name: str, table: Mapping[str, str]) -> str:
    for old, new in table.items():
        name = name.replace(old, new)
    return name


def _read_config(source: Path) -> dict[str, Any]:
    try:
        found = json.loads((source / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{source} holds no model: config.json cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise InputError(f"{source / 'config.json'} is not a table")
    return found


def _puts_prefix(sentencepiece: Any, source: Path) -> bool:
    """Whether a tokenizer puts a space in front of what it reads."""
    path = source / "tokenizer.model"
    if not path.is_file():
        raise InputError(f"{path} is missing, and the vocabulary is in it")
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return str(processor.encode("a", out_type=str)[0]).startswith("\u2581")
