"""With a tiny random model: the same probabilities as asking it token by token."""

import json

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from tap2key.core.errors import Tap2keyError
from tap2key.decoding.causal_model import CausalModel

SYMBOLS = ("a", "b", " ")
TOKENIZER = {
    "version": "1.0",
    "pre_tokenizer": {
        **{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True},
    },
    "model": {
        **{"type": "BPE", "unk_token": "<s>", "fuse_unk": False, "byte_fallback": False},
        "vocab": {"<s>": 0, "a": 1, "b": 2, "▁": 3, "ab": 4},
        "merges": [["a", "b"]],
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("causal")
    (where / "own.json").write_text(json.dumps(TOKENIZER))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(where / "own.json"), bos_token="<s>")
    tokenizer.save_pretrained(where)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=5, n_embd=8, n_layer=1, n_head=2, n_positions=64, bos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(where)
    return where


def of_tokens(folder, tokens):
    model = GPT2LMHeadModel.from_pretrained(folder).eval()
    total = 0.0
    for at, token in enumerate(tokens):
        with torch.inference_mode():
            logits = model(torch.tensor([[0, *tokens[:at]]])).logits[0, -1]
        total += float(logits.double().log_softmax(-1)[token])
    return total


def test_a_word_and_its_end_are_as_likely_as_their_tokens(folder):
    model = CausalModel(folder, SYMBOLS)
    state, total = model.start(), 0.0
    for c in "ab ba ":
        symbol = SYMBOLS.index(c)
        total += model.log_probabilities([state, model.start()])[0][symbol]
        state = model.advanced(state, symbol)
    # "ab" is one token, so not the sum of its letters.
    assert total == pytest.approx(of_tokens(folder, [4, 3, 2, 1, 3]), abs=1e-4)


def test_within_a_word_all_characters_are_alike(folder):
    model = CausalModel(folder, SYMBOLS)
    state = model.advanced(model.start(), 0)
    assert model.log_probabilities([state])[0][:2] == pytest.approx([-np.log(3)] * 2)


def test_a_folder_of_something_else_is_one_line(tmp_path):
    for where in (tmp_path, tmp_path / "absent"):
        with pytest.raises(Tap2keyError) as error:
            CausalModel(where, SYMBOLS)
        assert "\n" not in str(error.value)
