"""Laws of the prefix cache: what is reused is what was there, and no block is lost or had twice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.generate.cache import PrefixCache

SIZE = 4
ADAPTERS = st.sampled_from(("", "", "one", "other"))
WORDS = st.lists(st.integers(0, 2), min_size=1, max_size=22)


class Memory:
    """Blocks whose positions hold what was read up to there: what keys and values depend on."""

    def __init__(self, num_blocks):
        self.held = [[None] * SIZE for _ in range(num_blocks)]
        self.copies = 0
        self.cache = PrefixCache(num_blocks, SIZE, self.copy)

    def copy(self, source, target):
        self.held[target] = list(self.held[source])
        self.copies += 1

    def open(self, tokens, adapter="", **options):
        lease = self.cache.open(tokens, len(tokens) + 1, adapter=adapter, **options)
        if lease:
            check(self, lease, tokens[: lease.reused], adapter)
        return lease

    def read(self, lease, tokens, start, end, adapter=""):
        for place in range(start, end):
            self.held[lease.blocks[place // SIZE]][place % SIZE] = (adapter, *tokens[: place + 1])

    def run(self, tokens, adapter=""):
        """Open, read and close; return what was reused."""
        lease = self.open(tokens, adapter)
        self.read(lease, tokens, lease.reused, len(tokens), adapter)
        self.cache.close(lease, tokens[lease.shared * SIZE :])
        return lease.reused


def check(memory, lease, tokens, adapter=""):
    """What the lease says it knows is what the blocks hold, read with the same adapter."""
    for place in range(len(tokens)):
        assert memory.held[lease.blocks[place // SIZE]][place % SIZE] == (adapter, *tokens[: place + 1])


def audit(cache, leases):
    """Each block is free, in the tree, or one lease's own; users are counted; children are in order."""
    nodes = list(cache.nodes())
    own = [block for lease in leases for block in lease.blocks[lease.shared :]]
    blocks = [*cache._free, *(node.block for node in nodes), *own]
    assert sorted(blocks) == list(range(cache.num_blocks))
    paths = []
    for lease in leases:
        node = lease.node
        for block in reversed(lease.blocks[: lease.shared]):
            assert node.block == block
            paths.append(node)
            node = node.parent
    for node in nodes:
        assert node.users == paths.count(node)
        assert (node in cache._idle) == (node.users == 0)
        assert len(node.tokens) == SIZE or not node.children
        for one, other in zip(node.children, node.children[1:], strict=False):
            assert one.tokens < other.tokens != one.tokens
            assert other.tokens[: len(one.tokens)] != one.tokens


@settings(deadline=None, max_examples=150)
@given(st.data(), st.integers(6, 14))
def test_what_is_reused_was_read_and_every_block_has_one_place(data, num_blocks):
    memory = Memory(num_blocks)
    cache, running = memory.cache, []
    for _ in range(data.draw(st.integers(1, 25))):
        act = data.draw(st.sampled_from(("open", "read", "read", "close", "clear")))
        if act == "open":
            tokens, adapter = data.draw(WORDS), data.draw(ADAPTERS)
            lease = memory.open(tokens, adapter, spare=data.draw(st.integers(0, 2)))
            if lease:
                running.append([lease, tokens, lease.reused, adapter])
        elif act == "clear":
            cache.clear()
        elif running:
            number = data.draw(st.integers(0, len(running) - 1))
            lease, tokens, known, adapter = running[number]
            if act == "close":
                del running[number]
                cache.close(lease, tokens[lease.shared * SIZE : known])
                assert not lease.blocks
            else:
                tokens += data.draw(WORDS) if known == len(tokens) else []
                end = data.draw(st.integers(known, len(tokens)))
                if cache.extend(lease, end):
                    memory.read(lease, tokens, known, end, adapter)
                    cache.share(lease, tokens[lease.shared * SIZE : end])
                    check(memory, lease, tokens[:end], adapter)
                    running[number][2] = end
        audit(cache, [lease for lease, *_ in running])
    for lease, tokens, known, _ in running:
        cache.close(lease, tokens[lease.shared * SIZE : known])
    assert cache.available == num_blocks
    cache.clear()
    assert cache.num_free == num_blocks


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, ADAPTERS), min_size=1, max_size=6), WORDS, ADAPTERS)
def test_as_much_is_reused_as_any_earlier_one_has_in_common(earlier, tokens, adapter):
    """And nothing of one that was read with another adapter."""
    memory = Memory(200)
    for words, other in earlier:
        memory.run(words, other)
    same = [sum(tokens[:end] == words[:end] for end in range(1, min(len(tokens), len(words)) + 1))
            for words, other in earlier if other == adapter]  # fmt: skip
    assert memory.run(tokens, adapter) == max(same, default=0)


def test_sequences_that_run_share_their_full_blocks_and_copy_the_rest():
    memory = Memory(20)
    first = memory.open([1] * 10)
    memory.read(first, [1] * 10, 0, 10)
    memory.cache.share(first, [1] * 10)
    second = memory.open([1] * 10 + [2])
    assert second.blocks[:2] == first.blocks[:2] and second.blocks[2] != first.blocks[2]
    assert second.reused == 8 and memory.copies == 0  # the tail is not to be had before the first one ends
    memory.cache.close(first, [1] * 2)
    third = memory.open([1] * 10 + [2])
    assert third.reused == 10 and memory.copies == 1


def test_equal_blocks_that_two_have_read_at_once_become_one():
    memory = Memory(20)
    leases = [memory.open([1] * 8) for _ in range(2)]
    for lease in leases:
        memory.read(lease, [1] * 8, 0, 8)
    before = memory.cache.num_free
    replaced = [memory.cache.share(lease, [1] * 8) for lease in leases]
    assert replaced == [False, True]
    assert leases[0].blocks[:2] == leases[1].blocks[:2] and memory.cache.num_free == before + 2
    audit(memory.cache, leases)


def test_the_longest_unused_goes_first_and_beginnings_after_their_ends():
    memory = Memory(6)
    memory.run([1] * 8)  # two blocks
    memory.run([2] * 8)
    memory.run([1] * 4 + [3] * 4)  # uses the first block again, and one more
    assert memory.cache.num_free == 1
    lease = memory.open([4] * 11)  # three blocks: the free one, the end of 1 1, the end of 2 2
    assert {node.tokens for node in memory.cache.nodes()} == {(1,) * 4, (3,) * 4, (2,) * 4}
    memory.cache.close(lease, ())
    assert memory.run([1] * 4 + [3] * 4 + [5]) == 8


@pytest.mark.parametrize("spare", (0, 1))
def test_a_refusal_changes_nothing(spare):
    memory = Memory(3)
    memory.run([1] * 7)
    running = memory.open([2] * 3)
    assert memory.open([1] * (11 if not spare else 7), spare=spare) is None
    audit(memory.cache, [running])
    assert memory.cache.available == 2
    assert not memory.cache.extend(running, 13) and len(running.blocks) == 1
    assert memory.cache.extend(running, 12) and memory.cache.available == 0


def test_a_partly_used_block_is_given_up_when_there_is_no_room_to_copy_it():
    memory = Memory(2)
    memory.run([1] * 6)
    assert memory.run([1] * 6 + [2]) == 4  # the copy would need a third block
