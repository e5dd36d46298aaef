"""What eyes make of colours: contrast as WCAG 2.2 defines it, and how far apart two look, also to the colour-blind.

Sources: Machado, Oliveira and Fernandes 2009 (the matrices, severity 1.0); Ottosson 2020 (OKLab).
"""

import math
from typing import TypeAlias

Channels: TypeAlias = tuple[float, float, float]

SIGHTS: dict[str, tuple[Channels, Channels, Channels]] = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def distance(one: str, other: str, sight: str) -> float:
    """Return how far apart two colours look, in OKLab; black and white are 1 apart."""
    return math.dist(_oklab(_seen(_linear(one), sight)), _oklab(_seen(_linear(other), sight)))


def _luminance(colour: str) -> float:
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(colour: str) -> Channels:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return _undo_gamma(red), _undo_gamma(green), _undo_gamma(blue)


def _undo_gamma(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _seen(colour: Channels, sight: str) -> Channels:
    red, green, blue = (max(0.0, _dot(row, colour)) for row in SIGHTS[sight])
    return red, green, blue


def _oklab(colour: Channels) -> Channels:
    long = math.cbrt(_dot((0.4122214708, 0.5363325363, 0.0514459929), colour))
    medium = math.cbrt(_dot((0.2119034982, 0.6806995451, 0.1073969566), colour))
    short = math.cbrt(_dot((0.0883024619, 0.2817188376, 0.6299787005), colour))
    cones = (long, medium, short)
    return (
        _dot((0.2104542553, 0.7936177850, -0.0040720468), cones),
        _dot((1.9779984951, -2.4285922050, 0.4505937099), cones),
        _dot((0.0259040371, 0.7827717662, -0.8086757660), cones),
    )


def _dot(one: Channels, other: Channels) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))
