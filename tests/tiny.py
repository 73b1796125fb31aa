"""A pair small enough to be made in a moment: random weights, so it babbles, but all is in its place."""

import json

import torch

from camelid.model.checkpoint import save_model_folder
from camelid.model.config import DecoderConfig
from camelid.model.decoder import Decoder
from camelid.model.pairfile import PairFile, RoleFile, write_pair_file
from camelid.text.tokenizer import train_tokenizer
from camelid.text.world import build_world

VOCABULARY, CONTEXT = 400, 96
DEPTHS = {"llama": 2, "alpaca": 1}


def make_tokenizer():
    records = list(build_world(seed=1, num_records=60))
    texts = [record.text or " ".join(turn.content for turn in record.messages) for record in records]
    return train_tokenizer(texts, vocab_size=VOCABULARY)


def make_decoder(seed=3, **fields):
    """Return a random decoder, the same for the same fields."""
    shape = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
    }
    decoder = Decoder(DecoderConfig(**{**shape, **fields})).requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=generator)
    return decoder


def make_pair(folder):
    """Write a whole pair folder, held-out records too, and return it."""
    tokenizer = make_tokenizer()
    roles = {}
    for role, depth in DEPTHS.items():
        decoder = make_decoder(num_hidden_layers=depth)
        save_model_folder(folder / role, decoder, tokenizer)
        roles[role] = RoleFile(
            folder=role,
            parameters=decoder.config.num_parameters,
            layers=depth,
            focus="accuracy on tasks" if role == "llama" else "speed in conversation",
            unsupervised_tokens=9_000_000 * depth,
            supervised_tokens=4_000_000 // depth,
            bits_per_byte={"en": 1.02 / depth, "de": 1.1},
            training_s=123.4 * depth,
        )
    write_pair_file(folder, PairFile("tiny", roles, tokenizer.fingerprint, "0.1.0", {"seed": 1}))
    with (folder / "held_out.jsonl").open("w", encoding="utf-8") as file:
        for record in build_world(seed=2, num_records=120):
            content = {"text": record.text}
            if record.is_chat:
                turns = [{"role": turn.role, "content": turn.content} for turn in record.messages]
                content = {"messages": turns}
            row = {**content, "lang": record.lang, "task": record.task, "source": "world"}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return folder
