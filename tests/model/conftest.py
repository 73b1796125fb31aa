"""A tokenizer, and small random models."""

import pytest
import torch

from camelid.model.checkpoint import save_model_folder
from camelid.model.config import DecoderConfig
from camelid.model.decoder import Decoder
from camelid.text.tokenizer import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer(["The llama's wool. ¿Qué? L'été, größer, 1234!\n\n"] * 9, vocab_size=320)


@pytest.fixture(scope="session")
def make_decoder(tokenizer):
    """Return a function that makes a random decoder, the same for the same fields."""

    def make(**fields):
        shape = {
            "vocab_size": tokenizer.vocab_size,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 64,
        }
        decoder = Decoder(DecoderConfig(**{**shape, **fields}))
        generator = torch.Generator().manual_seed(3)
        for weight in decoder.parameters():
            torch.nn.init.normal_(weight, std=0.3, generator=generator)
        return decoder

    return make


@pytest.fixture
def model_folder(tmp_path, make_decoder, tokenizer):
    """Return a folder with a small model, new for each test."""
    save_model_folder(tmp_path / "model", make_decoder(), tokenizer)
    return tmp_path / "model"
