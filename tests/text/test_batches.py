import itertools
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.errors import DataError, RecipeError, RunError, TokenizerError
from camelid.text.batches import IGNORE, Batches, MixPart, held_out_batches
from camelid.text.chat import render_record
from camelid.text.packing import cut_pieces, pack_rows
from camelid.text.records import Message, Record
from camelid.text.shards import ensure_shard, open_shard, write_shard
from camelid.text.tokenizer import train_tokenizer

TOKENIZER = train_tokenizer(["llamas und alpacas auf der Weide, la laine de l'alpaga\n"] * 9, vocab_size=300)
CONTEXT = 24
LANGS = ("en", "de", "fr")


def documents(count, *, seed=0, tag="d"):
    """Documents of 1 to 60 words, each unlike any other."""
    random = np.random.default_rng(seed)
    return [
        Record(text=f"{tag}{index} " + "ñu " * int(random.integers(0, 30)), lang=LANGS[index % 3])
        for index in range(count)
    ]


def chats(count, *, seed=0, longest=12):
    """Conversations of up to three questions and answers; some answers do not fit the context."""
    random = np.random.default_rng(seed)
    return [
        Record(
            messages=tuple(
                turn
                for number in range(int(random.integers(1, 4)))
                for turn in (
                    Message("user", f"q{index}" + "?" * int(random.integers(0, 5))),
                    Message("assistant", f"a{number}" + " ja" * int(random.integers(0, longest))),
                )
            ),
            lang=LANGS[index % 2],
        )
        for index in range(count)
    ]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    root = tmp_path_factory.mktemp("shards")
    return {
        "docs": write_shard(root / "docs", documents(200), TOKENIZER, name="docs"),
        "news": write_shard(root / "news", documents(300, seed=1, tag="n"), TOKENIZER, name="news"),
        "chats": write_shard(root / "chats", chats(150), TOKENIZER, name="chats"),
    }


def pieces_of(batch):
    """Yield (token ids, targets) of every segment."""
    for row in range(len(batch.segments)):
        for segment in range(1, batch.segments[row].max() + 1):
            place = batch.segments[row] == segment
            assert list(batch.positions[row][place]) == list(range(place.sum()))
            assert np.all(np.diff(np.flatnonzero(place)) == 1)
            yield tuple(batch.token_ids[row][place].tolist()), tuple(batch.targets[row][place].tolist())


def all_pieces(batches):
    return list(
        itertools.chain.from_iterable(
            pieces_of(batches.batch(step)) for step in range(batches.total_steps_available)
        )
    )


def expected_pieces(record, mode):
    """The pieces of one record by the plain reading of the rule."""
    ids, supervised = render_record(TOKENIZER, record)
    counted = supervised if mode == "finetune" else [True] * len(ids)
    if mode == "finetune" and record.is_chat:
        ends = [
            index
            for index, flag in enumerate(supervised)
            if flag and (index + 1 == len(ids) or not supervised[index + 1]) and index <= CONTEXT
        ]
        if len(ids) - 1 > CONTEXT:
            ids = ids[: ends[-1] + 1] if ends else []
    return [
        (
            tuple(ids[at : at + CONTEXT][: len(ids) - 1 - at]),
            tuple(
                token if flag else IGNORE
                for token, flag in zip(ids[at + 1 : at + CONTEXT + 1], counted[at + 1 :], strict=False)
            ),
        )
        for at in range(0, len(ids) - 1, CONTEXT)
    ]


@pytest.mark.parametrize("mode", ["pretrain", "finetune"])
@pytest.mark.parametrize("name", ["docs", "chats"])
def test_every_record_comes_exactly_once_in_an_epoch(shards, name, mode):
    records = {"docs": documents(200), "chats": chats(150)}[name]
    batches = Batches([MixPart(shards[name], max_epochs=1)], batch_size=4, context=CONTEXT, mode=mode)
    expected = [piece for record in records for piece in expected_pieces(record, mode)]
    assert Counter(all_pieces(batches)) == Counter(expected)


def test_two_epochs_are_twice_one_in_another_order(shards):
    one, two = (
        all_pieces(Batches([MixPart(shards["docs"], max_epochs=epochs)], batch_size=4, context=CONTEXT))
        for epochs in (1, 2)
    )
    assert Counter(two) == Counter(one * 2)
    assert two[: len(one)] != two[len(one) :]


def test_padding_is_marked_and_teaches_nothing(shards):
    batches = Batches([MixPart(shards["chats"])], batch_size=4, context=CONTEXT, mode="finetune")
    for step in range(20):
        batch = batches.batch(step)
        padded = batch.segments == 0
        assert np.all(batch.targets[padded] == IGNORE)
        assert np.all(batch.token_ids[padded] == TOKENIZER.pad_id)
        assert {array.dtype for array in vars(batch).values()} == {np.dtype(np.int32)}
        assert batch.num_tokens == (~padded).sum()
        assert batch.num_targets == (batch.targets != IGNORE).sum()


def test_an_answer_is_whole_or_absent(shards):
    batches = Batches(
        [MixPart(shards["chats"], max_epochs=1)], batch_size=4, context=CONTEXT, mode="finetune"
    )
    for _, targets in all_pieces(batches):
        learnt = [token for token in targets if token != IGNORE]
        assert learnt and targets[-1] == TOKENIZER.end_id
    report = batches.report()[0]
    assert report["cut"] > 0 and report["left_out"] > 0 and report["records"] == 150


@pytest.mark.parametrize(
    "settings", [{}, {"mode": "finetune"}, {"languages": "unimax", "budget_tokens": 9e5}]
)
def test_resuming_at_any_step_gives_the_same_batches(shards, settings):
    parts = [MixPart(shards["docs"], 2.0, 3.0), MixPart(shards["chats"], 1.0)]

    def fresh():
        return Batches(parts, batch_size=8, context=CONTEXT, seed=5, **settings)

    going = fresh()
    first_run = [going.batch(step) for step in range(60)]
    for step in (59, 0, 31, 7):
        resumed = fresh().batch(step)
        for key, value in vars(first_run[step]).items():
            assert np.array_equal(value, getattr(resumed, key))
    assert not np.array_equal(first_run[0].token_ids, first_run[1].token_ids)
    other = Batches(parts, batch_size=8, context=CONTEXT, seed=6, **settings).batch(0)
    assert not np.array_equal(first_run[0].token_ids, other.token_ids)


def share_of(batches, num_steps, is_mine):
    sizes = Counter()
    for step in range(num_steps):
        for token_ids, _ in pieces_of(batches.batch(step)):
            sizes[is_mine(token_ids)] += len(token_ids)
    return sizes[True] / sizes.total()


def test_sources_get_their_shares(tmp_path):
    """Two sources told apart by a letter: b takes three quarters, although it is the smaller."""
    parts = [
        MixPart(write_shard(tmp_path / name, [Record(text=name * 9)] * count, TOKENIZER, name=name), weight)
        for name, count, weight in (("x", 500, 1.0), ("y", 200, 3.0))
    ]
    letter = TOKENIZER.encode("y")[0]
    batches = Batches(parts, batch_size=16, context=64)
    rows_of_a_pass = batches._rows(0).num_rows
    share = share_of(batches, 4 * rows_of_a_pass // 16, lambda token_ids: letter in token_ids)
    assert share == pytest.approx(0.75, abs=0.01)
    assert [part["share"] for part in batches.report()] == [0.25, 0.75]


def test_a_source_that_is_used_up_leaves_its_share_to_the_others(shards):
    parts = [MixPart(shards["docs"], 1.0, max_epochs=0.5), MixPart(shards["news"], 1.0, max_epochs=4)]
    batches = Batches(parts, batch_size=8, context=CONTEXT)
    steps = batches.total_steps_available
    seen = batches.epochs(steps)
    assert seen["docs"] == pytest.approx(0.5, abs=0.01)
    assert seen["news"] == 4
    assert batches.epochs(0) == {"docs": 0, "news": 0}
    assert 0 < batches.epochs(steps // 8)["news"] < 1
    with pytest.raises(RunError, match=f"used up after {steps} steps.*raise max_epochs"):
        batches.batch(steps)
    assert batches.batch(steps - 1).num_tokens > 0


def test_one_endless_source_makes_an_endless_mix(shards):
    parts = [MixPart(shards["docs"], max_epochs=1), MixPart(shards["news"])]
    batches = Batches(parts, batch_size=8, context=CONTEXT)
    assert batches.total_steps_available is None
    assert batches.batch(5000).num_tokens > 0


def test_unimax_gives_languages_equal_parts_up_to_their_cap(tmp_path):
    letters = {"en": "x", "de": "y", "fr": "z"}
    records = [
        Record(text=letters[lang] * 30, lang=lang)
        for lang, count in (("en", 600), ("de", 300), ("fr", 5))
        for _ in range(count)
    ]
    shard = write_shard(tmp_path / "s", records, TOKENIZER, name="s")
    size = {lang: counts["tokens"] - counts["records"] for lang, counts in shard.meta["languages"].items()}
    budget = 4.0 * size["de"]
    batches = Batches(
        [MixPart(shard, max_epochs=4)], batch_size=8, context=64, languages="unimax", budget_tokens=budget
    )
    weights = {stream.name: stream.weight / budget for stream in batches._streams}
    rare = 4 * size["fr"] / budget
    assert weights["s fr"] == pytest.approx(rare)
    assert weights["s en"] == weights["s de"] == pytest.approx((1 - rare) / 2)
    with pytest.raises(RecipeError, match="needs to know how many tokens"):
        Batches([MixPart(shard, max_epochs=4)], batch_size=8, context=64, languages="unimax")


@given(st.lists(st.integers(1, 40), max_size=200), st.integers(40, 50))
def test_packing_is_exactly_best_fit_decreasing(lengths, context):
    row_of, num_rows = pack_rows(np.array(lengths, np.int64), context)
    used = np.bincount(row_of, weights=lengths, minlength=num_rows) if lengths else np.zeros(0)
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [index for index, room in enumerate(rooms) if room >= length]
        if not fitting:
            rooms.append(context)
            fitting = [len(rooms) - 1]
        rooms[min(fitting, key=rooms.__getitem__)] -= length
    assert Counter((context - used).tolist()) == Counter(rooms)


def test_packing_fills_the_rows(shards):
    parts = [MixPart(shards["docs"]), MixPart(shards["news"])]
    batches = Batches(parts, batch_size=8, context=CONTEXT)
    fill = np.mean([batches.batch(step).num_tokens / (8 * CONTEXT) for step in range(100)])
    assert fill > 0.97


def test_positions_reach_exactly_the_context(tmp_path):
    """A record of context + 1 tokens fits; of one more, its last answer does not."""
    answers = [Record(messages=(Message("assistant", "x" * count),)) for count in (CONTEXT - 3, CONTEXT - 2)]
    assert [len(render_record(TOKENIZER, record).token_ids) for record in answers] == [CONTEXT, CONTEXT + 1]
    too_long = Record(messages=(Message("assistant", "x" * (CONTEXT - 1)),))
    shard = write_shard(tmp_path / "s", [*answers, too_long], TOKENIZER, name="s")
    pieces = cut_pieces(shard, CONTEXT, "finetune")
    assert pieces.lengths.tolist() == [CONTEXT - 1, CONTEXT]
    assert (pieces.num_cut, pieces.num_left_out) == (0, 1)


@pytest.mark.parametrize("mode", ["pretrain", "finetune"])
def test_held_out_batches_attribute_every_byte_once(shards, mode):
    chosen = [shards["docs"], shards["news"]]
    records = [*documents(200), *documents(300, seed=1, tag="n")]
    if mode == "finetune":
        chosen, records = [shards["docs"]], documents(200)
    found = Counter()
    targets = Counter()
    for batch, lang, num_bytes in held_out_batches(
        chosen, context=CONTEXT, batch_size=4, max_tokens_per_language=10**9, mode=mode
    ):
        found[lang] += num_bytes
        targets[lang] += batch.num_targets
    for lang in LANGS:
        mine = [record for record in records if record.lang == lang]
        assert found[lang] == sum(len(record.text.encode()) for record in mine)
        assert targets[lang] == sum(len(render_record(TOKENIZER, record).token_ids) - 1 for record in mine)


def test_held_out_conversations_count_the_answers_bytes(tmp_path):
    records = chats(40, longest=1)
    shard = write_shard(tmp_path / "s", records, TOKENIZER, name="s")
    found = sum(
        num_bytes
        for _, _, num_bytes in held_out_batches(
            [shard], context=64, batch_size=4, max_tokens_per_language=10**9, mode="finetune"
        )
    )
    answers = [turn.content for record in records for turn in record.messages if turn.role == "assistant"]
    assert found == sum(len(answer.encode()) for answer in answers) == shard.num_bytes.sum()


def test_held_out_batches_stop_near_the_limit_and_are_always_the_same(shards):
    def sample():
        return list(
            held_out_batches([shards["docs"]], context=CONTEXT, batch_size=4, max_tokens_per_language=300)
        )

    sizes = Counter()
    for batch, lang, _ in sample():
        sizes[lang] += batch.num_tokens
    assert set(sizes) == set(LANGS)
    assert all(300 <= size < 500 for size in sizes.values())
    for (one, *rest), (two, *others) in zip(sample(), sample(), strict=True):
        assert rest == others and np.array_equal(one.token_ids, two.token_ids)


@given(st.data())
@settings(max_examples=20)
def test_a_shard_holds_what_the_renderer_gives(tmp_path_factory, data):
    text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    turns = st.tuples(
        st.builds(Message, st.just("user"), text), st.builds(Message, st.just("assistant"), text)
    )
    kinds = st.one_of(st.builds(Record, text=text), st.builds(Record, messages=turns, lang=st.just("de")))
    records = data.draw(st.lists(kinds, max_size=8))
    shard = write_shard(tmp_path_factory.mktemp("s") / "s", iter(records), TOKENIZER, name="s")
    assert shard.num_records == len(records)
    for index, record in enumerate(records):
        start, stop = shard.offsets[index], shard.offsets[index + 1]
        token_ids, supervised = render_record(TOKENIZER, record)
        assert shard.token_ids[start:stop].tolist() == token_ids
        assert shard.supervised[start:stop].tolist() == supervised
        assert shard.languages[shard.langs[index]] == record.lang
        assert shard.is_chat[index] == record.is_chat
        said = record.answer.replace("<|", "< |") if record.is_chat else record.text
        assert shard.num_bytes[index] == len(said.encode())
    assert shard.meta["supervised_tokens"] == shard.supervised.sum()
    assert shard.meta["tokens"] == shard.num_tokens


def test_counts_by_language_add_up(shards):
    meta = shards["docs"].meta
    for key in ("records", "tokens", "supervised_tokens", "bytes"):
        assert sum(counts[key] for counts in meta["languages"].values()) == meta[key]
    assert meta["bytes"] == sum(len(record.text.encode()) for record in documents(200))


def test_a_shard_is_found_again_until_something_changes(tmp_path):
    calls = []

    def read(count):
        calls.append(count)
        return documents(count)

    first = ensure_shard(tmp_path, "s", lambda: read(5), TOKENIZER, inputs={"records": 5})
    again = ensure_shard(tmp_path, "s", lambda: read(5), TOKENIZER, inputs={"records": 5})
    assert (calls, again.folder) == ([5], first.folder)
    assert ensure_shard(tmp_path, "a/b c", documents(2), TOKENIZER, inputs=0).folder.parent == tmp_path
    other = ensure_shard(tmp_path, "s", documents(6), TOKENIZER, inputs={"records": 6})
    assert other.folder != first.folder and other.num_records == 6
    smaller = train_tokenizer(["another"], vocab_size=264)
    assert ensure_shard(tmp_path, "s", documents(5), smaller, inputs={"records": 5}).folder != first.folder


@pytest.mark.parametrize("file", ["token_ids.bin", "supervised.bin", "offsets.bin", "meta.json"])
def test_a_truncated_shard_is_told_and_written_anew(tmp_path, file):
    shard = ensure_shard(tmp_path, "s", documents(5), TOKENIZER, inputs=0)
    path, whole = shard.folder / file, np.array(shard.token_ids)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"(cut short: expected \d+ bytes|not a whole token shard).*Delete"):
        open_shard(shard.folder)
    mended = ensure_shard(tmp_path, "s", documents(5), TOKENIZER, inputs=0)
    assert np.array_equal(mended.token_ids, whole)


def test_a_corrupt_shard_is_told(tmp_path):
    shard = write_shard(tmp_path / "s", documents(5), TOKENIZER, name="s")
    content = bytearray((shard.folder / "token_ids.bin").read_bytes())
    content[7] ^= 1
    (shard.folder / "token_ids.bin").write_bytes(content)
    with pytest.raises(DataError, match=r"token_ids\.bin is corrupt"):
        open_shard(shard.folder)


def test_a_missing_shard_and_one_of_another_format(tmp_path):
    with pytest.raises(DataError, match="not a whole token shard"):
        open_shard(tmp_path / "nowhere")
    shard = write_shard(tmp_path / "s", documents(2), TOKENIZER, name="s")
    (shard.folder / "meta.json").write_text(json.dumps(shard.meta | {"format": 99}))
    with pytest.raises(DataError, match="shard of format 99; expected 1"):
        open_shard(shard.folder)


def test_a_record_that_teaches_nothing_is_named(tmp_path):
    records = [*documents(3), Record(messages=(Message("user", "?"),)), *documents(2)]
    with pytest.raises(DataError, match=r"Source 's', record 4: .* needs an assistant turn"):
        write_shard(tmp_path / "s", records, TOKENIZER, name="s")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "at least 1 .* found batch_size=0"),
        ({"context": 0}, "found batch_size=2, context=0"),
        ({"seed": -1}, "seed at least 0; .* seed=-1"),
        ({"weight": 0.0}, "Source 'docs': weight must be above 0 .* found weight=0.0"),
        ({"max_epochs": -1.0}, "max_epochs=-1.0"),
    ],
)
def test_settings_that_cannot_be_followed(shards, change, message):
    values = {"batch_size": 2, "context": CONTEXT, "seed": 0, "weight": 1.0, "max_epochs": 0.0} | change
    part = MixPart(shards["docs"], values.pop("weight"), values.pop("max_epochs"))
    with pytest.raises(RecipeError, match=message):
        Batches([part], **values)


def test_mixes_of_nothing(shards, tmp_path):
    with pytest.raises(RecipeError, match="at least one source"):
        Batches([], batch_size=2, context=CONTEXT)
    empty = write_shard(tmp_path / "empty", [], TOKENIZER, name="empty")
    with pytest.raises(RecipeError, match="Source 'empty' has no records"):
        Batches([MixPart(empty)], batch_size=2, context=CONTEXT)
    assert list(held_out_batches([empty], context=8, batch_size=2, max_tokens_per_language=9)) == []
    with pytest.raises(
        RecipeError, match=r"No conversation of source 'chats' fits .* 2 tokens .*\(150 left out"
    ):
        Batches([MixPart(shards["chats"])], batch_size=2, context=2, mode="finetune")


def test_shards_of_two_tokenizers_do_not_mix(shards, tmp_path):
    other = write_shard(tmp_path / "o", documents(3), train_tokenizer(["x"], vocab_size=264), name="o")
    with pytest.raises(TokenizerError, match="shards of docs, o were made by different tokenizers"):
        Batches([MixPart(shards["docs"]), MixPart(other)], batch_size=2, context=CONTEXT)
    with pytest.raises(TokenizerError, match="different tokenizers"):
        list(held_out_batches([shards["docs"], other], context=8, batch_size=2, max_tokens_per_language=9))
