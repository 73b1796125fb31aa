"""Bits per byte of a backend are those of its logits, and of the same decoder while it is trained."""

import math

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F

from camelid.compare.reading import find_text, measure_reading, read_text
from camelid.errors import DataError
from camelid.generate.load import load_model
from camelid.native import is_built
from camelid.text.chat import render_record
from camelid.text.records import Message, Record

DOCUMENT = Record(text="The llama sleeps. Das Lama schläft.")
TALK = Record(messages=(Message("user", "Hello!"), Message("assistant", "Good morning!")))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return tiny.make_pair(tmp_path_factory.mktemp("pairs") / "tiny")


@pytest.fixture(scope="module")
def model(pair):
    return load_model(pair / "llama", backend="torch", device="cpu")


def expected(records):
    """The same, straight from the definition."""
    decoder, tokenizer = tiny.make_decoder(num_hidden_layers=tiny.DEPTHS["llama"]), tiny.make_tokenizer()
    nats, num_bytes = 0.0, 0
    for record in records:
        ids, said = render_record(tokenizer, record)
        with torch.no_grad():
            losses = F.cross_entropy(
                decoder(torch.tensor([ids[:-1]]))[0], torch.tensor(ids[1:]), reduction="none"
            )
        nats += float(losses[torch.tensor(said[1:])].sum())
        num_bytes += len((record.text or record.answer).encode())
    return nats / math.log(2) / num_bytes


@pytest.mark.parametrize("records", [[DOCUMENT], [TALK], [DOCUMENT, TALK]])
def test_documents_count_and_of_talks_the_answers(model, records):
    found = measure_reading(model, tiny.make_tokenizer(), records)
    assert found == pytest.approx(expected(records), rel=1e-5)


def test_a_record_longer_than_the_context_counts_as_far_as_it_fits(model):
    long = Record(text="The llama sleeps in the stable. " * 40)
    found = measure_reading(model, tiny.make_tokenizer(), [long])
    assert 0 < found < 20
    longer = Record(text=long.text + "It never wakes up again.")
    assert measure_reading(model, tiny.make_tokenizer(), [longer]) == found


def test_reading_ends_when_it_has_enough(model):
    one = measure_reading(model, tiny.make_tokenizer(), [DOCUMENT])
    assert measure_reading(model, tiny.make_tokenizer(), [DOCUMENT, TALK], max_tokens=3) == one


@pytest.mark.skipif(not is_built(), reason="the native engine was not built")
def test_every_backend_reads_alike(pair, model):
    native = load_model(pair / "llama", backend="native", weights="f32", threads=1)
    records, tokenizer = read_text(find_text(pair)), tiny.make_tokenizer()
    found = [measure_reading(each, tokenizer, records, max_tokens=2000) for each in (model, native)]
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_held_out_text_is_found_beside_a_pair_and_its_models(pair, tmp_path):
    assert find_text(pair) == find_text(pair / "llama").resolve() == pair / "held_out.jsonl"
    assert find_text(tmp_path) is None


def test_a_text_without_records_is_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError):
        read_text(tmp_path / "empty.jsonl")
