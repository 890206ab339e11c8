"""Checkpoints in their published layouts, tiny: converted, loaded, and compared with the published formulas."""

import io
import json
import math

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention, silu

from lgvsc.cli.main import app
from lgvsc.errors import InputError, UnknownModelError
from lgvsc.models.catalog import find, load
from lgvsc.semantics.backends.large.conversion import convert
from lgvsc.semantics.backends.large.vision_language import LargeModelConfig

CONFIG = LargeModelConfig(device="cpu", dtype="float32", description_tokens=6, caption_tokens=12)
HIDDEN, HEADS, KV_HEADS, LAYERS, INNER = 32, 4, 2, 2, 48
VISION, VISION_HEADS, SIDE, PATCH = 16, 2, 56, 14


@pytest.fixture(scope="module")
def published(transformers, tmp_path_factory):
    """InternVL2 as it lies on the hub: remote code's names, fused projections, a SentencePiece model."""
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("published-internvl2")
    sentences = ["Yes No yes no", "A man walks along the river.", "Image-1: Describe the two pictures. user assistant"]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences * 5), model_writer=model, vocab_size=320, model_type="bpe", byte_fallback=True,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, minloglevel=2, normalization_rule_name="identity",
        remove_extra_whitespaces=False, add_dummy_prefix=False, user_defined_symbols=["Yes", "No", "yes", "no"],
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    marks = ["<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"]
    plain = {"special": True, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
    added = {str(320 + i): {"content": mark, **plain} for i, mark in enumerate(marks)}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "InternLM2Tokenizer", "added_tokens_decoder": added})
    )
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "internvl_chat", "downsample_ratio": 0.5, "force_image_size": SIDE,
                "max_dynamic_patch": 4,
                "llm_config": {
                    "architectures": ["InternLM2ForCausalLM"], "hidden_size": HIDDEN, "intermediate_size": INNER,
                    "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "num_hidden_layers": LAYERS,
                    "rms_norm_eps": 1e-5, "rope_theta": 1e6, "vocab_size": 330, "max_position_embeddings": 4096,
                    "rope_scaling": {"type": "dynamic", "factor": 2.0},
                },
                "vision_config": {
                    "hidden_size": VISION, "intermediate_size": 32, "num_attention_heads": VISION_HEADS,
                    "num_hidden_layers": LAYERS, "patch_size": PATCH, "image_size": SIDE, "qkv_bias": True,
                    "qk_normalization": False, "norm_type": "layer_norm", "layer_norm_eps": 1e-6, "hidden_act": "gelu",
                },
            }
        )
    )  # fmt: skip
    generator = torch.Generator().manual_seed(3)

    def draw(*shape):
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 4
        return torch.randn(shape, generator=generator) / fan_in**0.5

    head = HIDDEN // HEADS
    tensors = {
        "vision_model.embeddings.class_embedding": draw(1, 1, VISION),
        "vision_model.embeddings.position_embedding": draw(1, (SIDE // PATCH) ** 2 + 1, VISION),
        "vision_model.embeddings.patch_embedding.weight": draw(VISION, 3, PATCH, PATCH),
        "vision_model.embeddings.patch_embedding.bias": draw(VISION),
        "mlp1.0.weight": 1 + draw(4 * VISION), "mlp1.0.bias": draw(4 * VISION),
        "mlp1.1.weight": draw(HIDDEN, 4 * VISION), "mlp1.1.bias": draw(HIDDEN),
        "mlp1.3.weight": draw(HIDDEN, HIDDEN), "mlp1.3.bias": draw(HIDDEN),
        "language_model.model.tok_embeddings.weight": draw(330, HIDDEN) * HIDDEN**0.5,
        "language_model.model.norm.weight": 1 + draw(HIDDEN),
        "language_model.output.weight": draw(330, HIDDEN),
    }  # fmt: skip
    for i in range(LAYERS):
        eye, say = f"vision_model.encoder.layers.{i}.", f"language_model.model.layers.{i}."
        tensors |= {
            eye + "attn.qkv.weight": draw(3 * VISION, VISION), eye + "attn.qkv.bias": draw(3 * VISION),
            eye + "attn.proj.weight": draw(VISION, VISION), eye + "attn.proj.bias": draw(VISION),
            eye + "mlp.fc1.weight": draw(32, VISION), eye + "mlp.fc1.bias": draw(32),
            eye + "mlp.fc2.weight": draw(VISION, 32), eye + "mlp.fc2.bias": draw(VISION),
            eye + "norm1.weight": 1 + draw(VISION), eye + "norm1.bias": draw(VISION),
            eye + "norm2.weight": 1 + draw(VISION), eye + "norm2.bias": draw(VISION),
            eye + "ls1": 1 + draw(VISION), eye + "ls2": 1 + draw(VISION),
            say + "attention.wqkv.weight": draw((HEADS + 2 * KV_HEADS) * head, HIDDEN),
            say + "attention.wo.weight": draw(HIDDEN, HIDDEN),
            say + "attention_norm.weight": 1 + draw(HIDDEN), say + "ffn_norm.weight": 1 + draw(HIDDEN),
            say + "feed_forward.w1.weight": draw(INNER, HIDDEN), say + "feed_forward.w3.weight": draw(INNER, HIDDEN),
            say + "feed_forward.w2.weight": draw(HIDDEN, INNER),
        }  # fmt: skip
    names = sorted(tensors)
    save_file({n: tensors[n] for n in names[::2]}, folder / "model-00001-of-00002.safetensors")
    save_file({n: tensors[n] for n in names[1::2]}, folder / "model-00002-of-00002.safetensors")
    return folder, tensors


def seen(t, pixels):
    """InternViT and the connector, from the published names: ``(tiles, 3, 56, 56)`` to ``(tiles, 4, hidden)``."""
    x = torch.nn.functional.conv2d(
        pixels,
        t["vision_model.embeddings.patch_embedding.weight"],
        t["vision_model.embeddings.patch_embedding.bias"],
        PATCH,
    )
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([t["vision_model.embeddings.class_embedding"].expand(len(x), -1, -1), x], dim=1)
    x = x + t["vision_model.embeddings.position_embedding"]
    for i in range(LAYERS):
        w = {k.removeprefix(f"vision_model.encoder.layers.{i}."): v for k, v in t.items()}
        y = layer_norm(x, (VISION,), w["norm1.weight"], w["norm1.bias"], 1e-6)
        q, k, v = (
            linear(y, w["attn.qkv.weight"], w["attn.qkv.bias"])
            .view(len(x), -1, 3, VISION_HEADS, VISION // VISION_HEADS)
            .permute(2, 0, 3, 1, 4)
        )
        y = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        x = x + w["ls1"] * linear(y, w["attn.proj.weight"], w["attn.proj.bias"])
        y = layer_norm(x, (VISION,), w["norm2.weight"], w["norm2.bias"], 1e-6)
        y = linear(gelu(linear(y, w["mlp.fc1.weight"], w["mlp.fc1.bias"])), w["mlp.fc2.weight"], w["mlp.fc2.bias"])
        x = x + w["ls2"] * y
    side = SIDE // PATCH
    x = x[:, 1:].view(len(x), side // 2, 2, side // 2, 2, VISION)  # each 2x2 of patches becomes one token
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(len(x), -1, 4 * VISION)
    x = layer_norm(x, (4 * VISION,), t["mlp1.0.weight"], t["mlp1.0.bias"], 1e-5)
    return linear(gelu(linear(x, t["mlp1.1.weight"], t["mlp1.1.bias"])), t["mlp1.3.weight"], t["mlp1.3.bias"])


def told(t, x):
    """InternLM2 with its fused projection, from the published names: embeddings ``(tokens, hidden)`` to logits."""
    head, groups = HIDDEN // HEADS, HEADS // KV_HEADS
    angle = torch.arange(len(x))[:, None] / 1e6 ** (torch.arange(0, head, 2) / head)
    cos, sin = (f(torch.cat([angle, angle], dim=-1)) for f in (torch.cos, torch.sin))

    def norm(x, weight):
        return weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)

    def turn(x):
        a, b = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-b, a], dim=-1) * sin

    for i in range(LAYERS):
        w = {k.removeprefix(f"language_model.model.layers.{i}."): v for k, v in t.items()}
        y = norm(x, w["attention_norm.weight"])
        qkv = linear(y, w["attention.wqkv.weight"]).view(len(x), KV_HEADS, groups + 2, head)
        q = turn(qkv[:, :, :groups].reshape(len(x), HEADS, head).transpose(0, 1))
        k, v = (qkv[:, :, groups + j].transpose(0, 1) for j in range(2))
        k, v = (z.repeat_interleave(groups, dim=0) for z in (turn(k), v))
        y = scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).reshape(x.shape)
        x = x + linear(y, w["attention.wo.weight"])
        y = norm(x, w["ffn_norm.weight"])
        y = silu(linear(y, w["feed_forward.w1.weight"])) * linear(y, w["feed_forward.w3.weight"])
        x = x + linear(y, w["feed_forward.w2.weight"])
    return linear(norm(x, t["language_model.model.norm.weight"]), t["language_model.output.weight"])


@pytest.fixture(scope="module")
def converted(published, tmp_path_factory):
    target = tmp_path_factory.mktemp("out") / "internvl2"
    convert(published[0], target)
    return load(str(target), CONFIG)


def test_a_converted_internvl2_computes_what_the_published_one_does(published, converted, clip):
    tensors = published[1]
    tiles = converted._image_processor([clip[0].pixels], crop_to_patches=False, return_tensors="pt").pixel_values
    features = seen(tensors, tiles)
    assert torch.allclose(converted.picture(clip[0], 1).features, features.flatten(0, 1), atol=1e-5)
    prompt = converted._prompt(converted.chat.opening("\ufffcYes or no?"), [converted.picture(clip[0], 1)])
    ids = torch.tensor(prompt.ids)
    embedded = tensors["language_model.model.tok_embeddings.weight"][ids].clone()
    embedded[ids == converted._reader.image_token] = features.flatten(0, 1)
    expected = told(tensors, embedded)[-1]
    _, logits = converted._reader.read([prompt], None, converted.cost)
    assert torch.allclose(logits[0], expected, atol=1e-4), (logits[0] - expected).abs().max()
    assert expected.std() > 0.3


def test_the_tokenizer_still_cuts_as_sentencepiece_does(published, converted):
    import sentencepiece

    original = sentencepiece.SentencePieceProcessor(model_file=str(published[0] / "tokenizer.model"))
    for text in ("A man walks\nYes", "No", "the river. Describe", "\u00e9\u72d7 z"):
        assert converted._ids(text) == original.encode(text)
    prompt = converted.chat.opening("Same? Yes or no.")
    assert prompt.startswith("<s><|im_start|>user\n") and converted._ids(prompt)[:2] == [1, 320]
    assert {original.id_to_piece(i) for i in converted._yes} >= {"Yes", "yes"}


def test_a_converted_model_scores_pairs(converted, clip):
    answers = converted.look("Same?", clip[0], clip[1:4])
    assert all(0 < a.p_yes < 1 and 0 < a.p_no < 1 for a in answers)
    assert converted.describe(clip[:1])


def test_the_published_layout_is_refused_with_the_command_that_helps(published):
    with pytest.raises(UnknownModelError, match="models convert"):
        find(str(published[0]))


def test_conversion_from_the_command_line_keeps_what_exists(published, tmp_path):
    from typer.testing import CliRunner

    target = tmp_path / "made"
    arguments = ["models", "convert", str(published[0]), "--to", str(target)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"made"} and (target / "config.json").is_file()
    assert "exists" in str(CliRunner().invoke(app, arguments).exception)


def test_what_cannot_be_converted_is_said(published, tmp_path):
    folder, _ = published
    with pytest.raises(InputError, match="holds no model"):
        convert(tmp_path, tmp_path / "out")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.safetensors").write_bytes(b"not at all")
    with pytest.raises(InputError, match="no safetensors file"):
        convert(tmp_path, tmp_path / "out")
    config = json.loads((folder / "config.json").read_text())
    config["llm_config"]["architectures"] = ["Qwen2ForCausalLM"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.model").write_bytes((folder / "tokenizer.model").read_bytes())
    with pytest.raises(InputError, match="Qwen2ForCausalLM"):
        convert(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
