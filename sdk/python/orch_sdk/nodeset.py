"""Sets of node indexes."""

_WORD = 64


class NodeSet:
    """A set of node indexes, kept as one integer: bit i is index i.

    Set operations cost nanoseconds whatever the number of nodes, iterating costs a step for each
    member: prefer `nodes - self.ready` over a loop where speed matters.
    """

    __slots__ = ("_bits",)

    def __init__(self, indexes=()):
        bits = 0
        if not isinstance(indexes, NodeSet):
            # One buffer instead of an ever longer integer for each member.
            members = list(indexes)
            buffer = bytearray((max(members, default=-1) + 8) // 8)
            for index in members:
                buffer[index >> 3] |= 1 << (index & 7)
            bits = int.from_bytes(buffer, "little")
        else:
            bits = indexes._bits
        self._bits = bits

    @classmethod
    def _of(cls, bits):
        new = cls.__new__(cls)
        new._bits = bits
        return new

    @classmethod
    def from_words(cls, words):
        """From 64-bit words: bit i of word i/64 is index i."""
        return cls._of(int.from_bytes(b"".join(word.to_bytes(8, "little") for word in words), "little"))

    def words(self):
        length = (self._bits.bit_length() + _WORD - 1) // _WORD
        raw = self._bits.to_bytes(length * 8, "little")
        return [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)]

    def add(self, index):
        self._bits |= 1 << index

    def discard(self, index):
        self._bits &= ~(1 << index)

    def __contains__(self, index):
        return self._bits >> index & 1 == 1

    def __iter__(self):
        """In ascending order."""
        for place, word in enumerate(self.words()):
            base = place * _WORD
            while word:
                low = word & -word
                yield base + low.bit_length() - 1
                word ^= low

    def __len__(self):
        return self._bits.bit_count()

    def __bool__(self):
        return self._bits != 0

    def __and__(self, other):
        return NodeSet._of(self._bits & other._bits)

    def __or__(self, other):
        return NodeSet._of(self._bits | other._bits)

    def __sub__(self, other):
        return NodeSet._of(self._bits & ~other._bits)

    def __eq__(self, other):
        if isinstance(other, NodeSet):
            return self._bits == other._bits
        return NotImplemented

    __hash__ = None

    def __repr__(self):
        return f"NodeSet({list(self)})"
