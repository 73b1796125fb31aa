"""A real checkpoint says what its makers say that it says."""

import pytest
from stories import STORIES, read_documented, write_stories

from camelid.native import is_built, isas
from camelid.native.loading import load_native
from camelid.text.tokenizer import Tokenizer

pytestmark = [
    pytest.mark.skipif(not is_built(), reason="the native engine was not built: no C++ compiler at install"),
    pytest.mark.skipif(not STORIES.is_dir(), reason="needs stories260K of the shared data"),
]


@pytest.mark.parametrize("isa", isas())
def test_the_greedy_text_is_the_documented_one(tmp_path, monkeypatch, isa):
    from camelid.native import _native

    monkeypatch.setenv("CAMELID_ISA", isa)
    folder = write_stories(tmp_path / "stories")
    model = load_native(folder, weights="f32", threads=2)
    cache = model.new_cache(8, False)
    sequence = _native.Sequence([1], _native.Sampling(), [1])
    sequence.blocks = list(range(8))
    while (sequence.length <= 256 and sequence.tokens[-1] != 1) or sequence.length == 1:
        model.step(cache, [sequence], [1])
    documented = read_documented()
    assert Tokenizer.load(folder).decode(sequence.since(1)).strip()[: len(documented)] == documented
