"""The text encoder: rows, masks, where it runs, and strict loading."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from tiny_opensora import WIDTH, save_text_encoder

from lgvsc.errors import MissingResourceError
from lgvsc.world.backends.opensora.t5 import T5Captions

pytest.importorskip("transformers", reason="needs the extra 'paper'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_text_encoder(tmp_path_factory.mktemp("t5") / "repository")


def test_a_prompt_fills_its_rows_and_the_end_token_counts(folder):
    text = T5Captions.from_folder(folder, max_tokens=12)
    rows, mask = text.encode("ab")
    assert rows.shape == (1, 1, 12, WIDTH) and rows.dtype == torch.float32
    assert mask.dtype == torch.int64 and mask.tolist() == [[1] * 4 + [0] * 8]  # mark of a word, a, b, end
    assert text.encode("a" * 50)[1].sum() == 12
    assert text.encode("")[1].sum() >= 1


def test_rows_do_not_depend_on_what_fills_up(folder):
    short, long = (T5Captions.from_folder(folder, max_tokens=n).encode("a dog")[0] for n in (8, 300))
    assert torch.allclose(short[0, 0, :7], long[0, 0, :7], atol=1e-5)


def test_numbers_are_those_of_the_formula(folder):
    """No scaling of embeddings or of products; RMS norm; gated tanh-GELU; one table of biases for all layers."""
    text = T5Captions.from_folder(folder, max_tokens=11)
    rows, mask = text.encode("dog 1,2")
    w = text._model.state_dict()
    ids = text._tokenizer(["dog 1,2"], max_length=11, padding="max_length", return_tensors="pt").input_ids[0]

    def norm(x, weight):
        return x / torch.sqrt(x.square().mean(-1, keepdim=True) + 1e-6) * weight

    def bucket(d):
        n = abs(d)
        far = min(15, 8 + math.floor(8 * math.log(n / 8) / math.log(16))) if n >= 8 else n
        return (16 if d > 0 else 0) + far

    table = w["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    bias = torch.stack([torch.stack([table[bucket(key - query)] for key in range(11)]) for query in range(11)])
    hidden = mask[0] == 0
    x = w["shared.weight"][ids]
    for i in range(2):
        one, two = f"encoder.block.{i}.layer.0.", f"encoder.block.{i}.layer.1."
        u = norm(x, w[one + "layer_norm.weight"])
        q, k, v = ((u @ w[f"{one}SelfAttention.{name}.weight"].T).view(11, 2, 8) for name in "qkv")
        scores = torch.einsum("qhd,khd->hqk", q, k) + bias.permute(2, 0, 1)
        scores[:, :, hidden] = -torch.inf
        seen = torch.einsum("hqk,khd->qhd", scores.softmax(-1), v).flatten(1)
        x = x + seen @ w[one + "SelfAttention.o.weight"].T
        u = norm(x, w[two + "layer_norm.weight"])
        gate, value = (u @ w[f"{two}DenseReluDense.{name}.weight"].T for name in ("wi_0", "wi_1"))
        x = x + (F.gelu(gate, approximate="tanh") * value) @ w[two + "DenseReluDense.wo.weight"].T
    kept = ~hidden
    assert torch.allclose(norm(x, w["encoder.final_layer_norm.weight"])[kept], rows[0, 0][kept], atol=2e-5)


@pytest.mark.parametrize("placement", ["cpu", "device", "offload"])
def test_where_it_runs_changes_no_number(folder, placement):
    expected = T5Captions.from_folder(folder, max_tokens=9).encode("a dog")[0]
    found = T5Captions.from_folder(folder, max_tokens=9, placement=placement).encode("a dog")[0]
    assert torch.equal(found, expected)


def test_half_precision_stays_near(folder):
    exact = T5Captions.from_folder(folder, max_tokens=9).encode("a dog")[0]
    rough = T5Captions.from_folder(folder, max_tokens=9, dtype=torch.bfloat16).encode("a dog")[0]
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).abs().mean() < 0.05 * exact.abs().mean()


def test_what_cannot_be_loaded_is_named(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    with pytest.raises(MissingResourceError, match="no safetensors file"):
        T5Captions.from_folder(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(MissingResourceError, match="pickled weights, which lgvsc does not open"):
        T5Captions.from_folder(tmp_path)
    for file in (folder / "text_encoder").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for file in (folder / "tokenizer").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    save_file(
        {key: value for key, value in weights.items() if "wi_1" not in key},
        tmp_path / "model.safetensors", metadata={"format": "pt"},
    )  # fmt: skip
    with pytest.raises(MissingResourceError, match=r"lacks or misfits.*wi_1"):
        T5Captions.from_folder(tmp_path)
