"""Which block of the key/value cache holds what: free ones, those of running sequences, and a tree of the
others by the tokens they hold, so that a prompt which begins like an earlier one starts where they part.
Each adapter has a tree of its own: with other weights the same tokens leave other keys and values.

A block holds a fixed number of positions. Full blocks are shared; of a block that only begins as needed, a
copy is taken. What nobody uses stays until room is needed, the longest unused first. Bookkeeping only: the
numbers lie elsewhere, and nothing here may be called by two threads at once.
Ideas from: Kwon et al. 2023, arXiv:2309.06180 (blocks); Zheng et al. 2023, arXiv:2312.07104 (the tree).
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

Tokens = tuple[int, ...]
_tokens_of = attrgetter("tokens")


class Node:
    """A block of the tree: `tokens` follow those of all ancestors; less than a full block only at a tip."""

    __slots__ = ("block", "children", "parent", "tokens", "users")

    def __init__(self, tokens: Tokens, block: int, parent: "Node | None") -> None:
        self.tokens, self.block, self.parent = tokens, block, parent
        self.users = 0  # sequences whose tokens pass through here
        self.children: list[Node] = []  # sorted by tokens; none begins with all of another

    def place_of(self, tokens: Tokens) -> int:
        """Return where a child with these tokens stands or would stand."""
        return bisect_left(self.children, tokens, key=_tokens_of)

    def nearest(self, tokens: Tokens) -> "tuple[Node | None, int]":
        """Return the child that begins most like `tokens`, and how many tokens they have in common."""
        place = self.place_of(tokens)  # in sorted order the most similar ones are neighbours
        nearest, most = None, 0
        for child in self.children[max(0, place - 1) : place + 1]:
            same = _count_same(child.tokens, tokens)
            if same > most:
                nearest, most = child, same
        return nearest, most


def _count_same(some: Tokens, others: Tokens) -> int:
    if some == others:
        return len(some)
    for place, (one, other) in enumerate(zip(some, others, strict=False)):
        if one != other:
            return place
    return min(len(some), len(others))


class Lease:
    """The blocks of one sequence in the order of its tokens: `shared` of them in the tree, the rest its own.

    reused: the tokens that were there when the lease began.
    """

    __slots__ = ("blocks", "node", "reused", "root", "shared")

    def __init__(self, root: Node) -> None:
        self.root = self.node = root  # node: the last shared block's
        self.shared = self.reused = 0
        self.blocks: list[int] = []


class PrefixCache:
    """Hands out blocks and remembers what they hold."""

    def __init__(self, num_blocks: int, size: int, copy: Callable[[int, int], None]) -> None:
        """Begin with `num_blocks` free blocks of `size` positions; copy(a, b) copies block a into block b."""
        self.num_blocks, self.size = num_blocks, size
        self._copy = copy
        self._free = list(range(num_blocks))
        self._roots: dict[str, Node] = {}
        # Unused nodes, longest unused first. A node is released before its ancestors, and whoever uses it
        # uses them: so the first one has no children.
        self._idle: OrderedDict[Node, None] = OrderedDict()

    @property
    def num_free(self) -> int:
        """Return how many blocks hold nothing."""
        return len(self._free)

    @property
    def num_idle(self) -> int:
        """Return how many blocks hold what nobody uses now."""
        return len(self._idle)

    @property
    def available(self) -> int:
        """Return how many blocks could be handed out."""
        return len(self._free) + len(self._idle)

    def count_blocks(self, positions: int) -> int:
        """Return how many blocks so many positions need."""
        return -(-positions // self.size)

    def open(
        self, tokens: Sequence[int], positions: int, *, spare: int = 0, adapter: str = ""
    ) -> Lease | None:
        """Return a lease of `positions` whose first `reused` ones hold the beginning of `tokens` already.

        positions: more than there are tokens. adapter: what they are read with.

        Returns None, and changes nothing but the order of use, when not enough blocks would be left for it
        and `spare` ones.
        """
        if adapter not in self._roots:
            self._roots[adapter] = Node((), -1, None)
        lease = Lease(self._roots[adapter])
        part, same = self._follow(lease, tokens)
        if part:
            self._hold(part)  # the blocks that are handed out next must not be this one
            if self.available < self.count_blocks(positions) - lease.shared + spare:
                self._release(part)
                part = None
        if self.available < self.count_blocks(positions) - lease.shared + spare:
            self.close(lease, ())
            return None
        self.extend(lease, positions)
        lease.reused = lease.shared * self.size
        if part:
            self._copy(part.block, lease.blocks[lease.shared])
            lease.reused += same
            self._release(part)
        return lease

    def extend(self, lease: Lease, positions: int) -> bool:
        """Give a lease the blocks that so many positions need; return False if there are not enough."""
        missing = self.count_blocks(positions) - len(lease.blocks)
        if missing > self.available:
            return False
        lease.blocks += [self._take() for _ in range(missing)]
        return True

    def share(self, lease: Lease, tokens: Sequence[int]) -> bool:
        """Let others use the full blocks of `tokens`: those after the shared ones that the cache knows.

        Returns whether blocks of the lease were replaced by equal ones.
        """
        replaced = False
        for place in range(0, len(tokens) - self.size + 1, self.size):
            replaced |= self._share(lease, tuple(tokens[place : place + self.size]))
        return replaced

    def close(self, lease: Lease, tokens: Sequence[int]) -> None:
        """End a lease; `tokens`, as in `share`, stay in the tree until their room is needed."""
        self.share(lease, tokens)
        tail = tuple(tokens[len(tokens) // self.size * self.size :])
        kept = 1 if tail and self._keep(lease, tail) else 0
        self._free += lease.blocks[lease.shared + kept :]
        node = lease.node
        while node.parent:
            self._release(node)
            node = node.parent
        lease.node, lease.shared, lease.blocks = lease.root, 0, []

    def clear(self) -> None:
        """Forget whatever nobody uses."""
        while self._idle:
            self._free.append(self._evict())

    def nodes(self) -> Iterator[Node]:
        """Yield what the trees hold, parents first."""
        found = [child for root in self._roots.values() for child in root.children]
        while found:
            node = found.pop()
            yield node
            found += node.children

    def _follow(self, lease: Lease, tokens: Sequence[int]) -> tuple[Node | None, int]:
        """Lease what the tree has of `tokens`; return the block that begins as they go on, and how far."""
        while True:
            place = lease.shared * self.size
            child, same = lease.node.nearest(tuple(tokens[place : place + self.size]))
            if not child or same < self.size:
                return child, same
            lease.blocks.append(child.block)
            self._step_down(lease, child)

    def _share(self, lease: Lease, tokens: Tokens) -> bool:
        block = lease.blocks[lease.shared]
        node, same = lease.node.nearest(tokens)
        known = node is not None and same == self.size
        if not node or not known:
            node = self._insert(lease.node, tokens, block)
        elif node.block != block:  # somebody else came to the same numbers
            lease.blocks[lease.shared] = node.block
            self._free.append(block)
        self._step_down(lease, node)
        return known

    def _keep(self, lease: Lease, tail: Tokens) -> bool:
        """Put less than a full block into the tree unless it holds that already."""
        if lease.node.nearest(tail)[1] == len(tail):
            return False
        node = self._insert(lease.node, tail, lease.blocks[lease.shared])
        self._idle[node] = None
        return True

    def _insert(self, parent: Node, tokens: Tokens, block: int) -> Node:
        place = parent.place_of(tokens)
        if place:
            before = parent.children[place - 1]
            if before.tokens == tokens[: len(before.tokens)]:  # less of the same: nobody needs it now
                del self._idle[before]
                self._free.append(before.block)
                place -= 1
                del parent.children[place]
        node = Node(tokens, block, parent)
        parent.children.insert(place, node)
        return node

    def _step_down(self, lease: Lease, node: Node) -> None:
        self._hold(node)
        lease.node = node
        lease.shared += 1

    def _hold(self, node: Node) -> None:
        node.users += 1
        self._idle.pop(node, None)

    def _release(self, node: Node) -> None:
        node.users -= 1
        if not node.users:
            self._idle[node] = None

    def _take(self) -> int:
        return self._free.pop() if self._free else self._evict()

    def _evict(self) -> int:
        node, _ = self._idle.popitem(last=False)
        assert node.parent and not node.children
        del node.parent.children[node.parent.place_of(node.tokens)]
        node.parent = None
        return node.block
