"""MurmurHash3, x64, 128 bits (Austin Appleby, public domain): the hash behind effective partition keys."""

from __future__ import annotations

from typing import Final

_MASK: Final = (1 << 64) - 1
_C1: Final = 0x87C37B91114253D5
_C2: Final = 0x4CF5AD432745937F
_BLOCK: Final = 16


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _finish(value: int) -> int:
    value ^= value >> 33
    value = (value * 0xFF51AFD7ED558CCD) & _MASK
    value ^= value >> 33
    value = (value * 0xC4CEB9FE1A85EC53) & _MASK
    return value ^ (value >> 33)


def murmur3_128(data: bytes) -> tuple[int, int]:
    """The low and the high 64 bits of the hash with seed 0."""
    low = high = 0
    whole = len(data) - len(data) % _BLOCK
    for start in range(0, whole, _BLOCK):
        first = int.from_bytes(data[start : start + 8], "little")
        second = int.from_bytes(data[start + 8 : start + _BLOCK], "little")
        low ^= _rotate(first * _C1 & _MASK, 31) * _C2 & _MASK
        low = (((_rotate(low, 27) + high) & _MASK) * 5 + 0x52DCE729) & _MASK
        high ^= _rotate(second * _C2 & _MASK, 33) * _C1 & _MASK
        high = (((_rotate(high, 31) + low) & _MASK) * 5 + 0x38495AB5) & _MASK
    tail = data[whole:]
    if len(tail) > 8:  # noqa: PLR2004 - half a block
        high ^= _rotate(int.from_bytes(tail[8:], "little") * _C2 & _MASK, 33) * _C1 & _MASK
    if tail:
        low ^= _rotate(int.from_bytes(tail[:8], "little") * _C1 & _MASK, 31) * _C2 & _MASK
    low ^= len(data)
    high ^= len(data)
    low = (low + high) & _MASK
    high = (high + low) & _MASK
    low, high = _finish(low), _finish(high)
    low = (low + high) & _MASK
    return low, (high + low) & _MASK
