"""Kubernetes quantities: `100m`, `1.5Gi`, `2e3`."""

from fractions import Fraction

_SUFFIXES = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1),
    "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9), "T": Fraction(10**12),
    "P": Fraction(10**15), "E": Fraction(10**18),
    "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30), "Ti": Fraction(2**40),
    "Pi": Fraction(2**50), "Ei": Fraction(2**60),
}  # fmt: skip


def parse(quantity):
    """The exact value. Numbers are taken as they are; what cannot be read raises `ValueError`."""
    text = str(quantity).strip()
    end = len(text)
    while end and text[end - 1].isalpha():
        end -= 1
    suffix = text[end:]
    if suffix in _SUFFIXES and end:
        return Fraction(text[:end]) * _SUFFIXES[suffix]
    return Fraction(text)  # an exponent: 2e3, 1E-2


def milli(quantity):
    """In thousandths, rounded up: what CPU is counted in."""
    return -(-parse(quantity) * 1000 // 1)


def whole(quantity):
    """In units, rounded up: bytes, pods, devices."""
    return -(-parse(quantity) // 1)
