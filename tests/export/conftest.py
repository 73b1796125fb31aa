"""Small model folders to export, and what reads them elsewhere."""

import json

import pytest
import tiny
import tokenizers
import torch
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors

from camelid.export.vocabulary import _LLAMA3
from camelid.model.checkpoint import save_model_folder
from camelid.text.pieces import Kind, Piece, Pieces, build_core
from camelid.text.tokenizer import Tokenizer

LLAMA31 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] ~ ': ' ~ m['content'] ~ eos_token }}{% endfor %}"
)


def make_pieces():
    """Return a tokenizer as Llama 2 has it."""
    words = ["▁t", "he", "▁the", "an", "▁an", "ll", "lla", "ama", "▁llama"]
    letters = sorted({*"▁", *"".join(words), *"bcdefgiknoprsuwy.,:"})
    special = [("<unk>", Kind.unknown), ("<s>", Kind.control), ("</s>", Kind.control)]
    found = [Piece(name, 0.0, kind) for name, kind in special]
    found += [Piece(f"<0x{byte:02X}>", 0.0, Kind.byte) for byte in range(256)]
    found += [Piece(word, -float(rank)) for rank, word in enumerate(words)]
    found += [Piece(letter, -1000.0 - rank) for rank, letter in enumerate(letters)]
    pieces = Pieces(tuple(found))
    return Tokenizer(build_core(pieces), {**pieces.special_tokens(), "chat_template": TEMPLATE})


def make_llama3():
    """Return a tokenizer as Llama 3 has it: byte-level, digits in threes, its special tokens at the end."""
    plain = json.loads(tiny.make_tokenizer()._core.to_str())
    names = sorted(plain["model"]["vocab"], key=plain["model"]["vocab"].get)[8:]
    merges = [tuple(pair) for pair in plain["model"]["merges"]]
    core = tokenizers.Tokenizer(
        models.BPE({name: index for index, name in enumerate(names)}, merges, ignore_merges=True)
    )
    cut = pre_tokenizers.Split(Regex(_LLAMA3), "isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    special = [
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
    ]
    core.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    bos = core.token_to_id(special[0])
    core.post_processor = processors.TemplateProcessing(
        single=f"{special[0]} $A", special_tokens=[(special[0], bos)]
    )
    return Tokenizer(core, {"bos_token": special[0], "eos_token": special[1]})


def make_cut(*steps):
    """Return what makes our tokenizer with another cut before the merges."""

    def make():
        ours = tiny.make_tokenizer()
        core = tokenizers.Tokenizer.from_str(json.dumps(ours.to_dict()))
        whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        core.pre_tokenizer = pre_tokenizers.Sequence([*steps, whole]) if steps else whole
        config = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"}
        return Tokenizer(core, config)

    return make


FOLDERS = {
    "smollm": (make_cut(pre_tokenizers.Digits(individual_digits=True)), {}),
    "gpt2": (make_cut(), {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
    "ours": (tiny.make_tokenizer, {}),
    "pieces": (make_pieces, {"tie_word_embeddings": False}),
    "llama3": (
        make_llama3,
        {"rope_scaling": LLAMA31, "rope_theta": 500_000.0, "max_position_embeddings": 9000},
    ),
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Return model folders with random weights in bfloat16, by the sort of their tokenizer."""
    root, found = tmp_path_factory.mktemp("models"), {}
    for name, (make, fields) in FOLDERS.items():
        tokenizer = make()
        vocab_size = tokenizer.vocab_size + 3  # rows that no token has, as checkpoints round up
        decoder = tiny.make_decoder(
            vocab_size=vocab_size, hidden_size=64, intermediate_size=96, head_dim=16, **fields
        )
        save_model_folder(root / name, decoder, tokenizer, dtype=torch.bfloat16)
        found[name] = root / name
    return found
