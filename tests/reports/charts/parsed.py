"""Pictures read back from their SVG, so that tests can measure what was drawn."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from qcqueue.reports.charts.lettering import LABEL_SIZE, SMALL_SIZE, TEXT_SIZE, width_of
from qcqueue.reports.charts.picture import Picture

Point = tuple[float, float]
_ROUNDED = 0.02


@dataclass(frozen=True, slots=True)
class Word:
    """One line of text and the four corners of the room it takes at most."""

    text: str
    corners: tuple[Point, Point, Point, Point]

    def runs_into(self, other: "Word") -> bool:
        """Say whether the boxes of two words share some room; of turned words the boxes around them."""
        mine, theirs = _around(self.corners), _around(other.corners)
        return all(
            mine[axis] < theirs[axis + 2] - _ROUNDED and theirs[axis] < mine[axis + 2] - _ROUNDED for axis in (0, 1)
        )


def parse(picture: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(picture.svg)


def plotted(svg: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Return the elements of this name without those of the key."""
    signs = {element for group in svg.iter("g") if group.attrib.get("class") == "signs" for element in group.iter()}
    return [element for element in svg.iter(name) if element not in signs]


def number_of(element: ElementTree.Element, name: str) -> float:
    return float(element.attrib[name])


def words_of(svg: ElementTree.Element) -> list[Word]:
    return [word for word, _ in _walk(svg, (0.0, 0.0), 0.0) if isinstance(word, Word)]


def points_of(svg: ElementTree.Element) -> list[Point]:
    """Return every corner, end and extreme of what is drawn, and the corners of all words."""
    found: list[Point] = []
    for item, _ in _walk(svg, (0.0, 0.0), 0.0):
        found += item.corners if isinstance(item, Word) else [item]
    return found


def level_words(svg: ElementTree.Element) -> list[Word]:
    return [word for word, turned in _walk(svg, (0.0, 0.0), 0.0) if isinstance(word, Word) and not turned]


def _walk(element: ElementTree.Element, shift: Point, turned: float) -> Iterator[tuple[Word | Point, float]]:
    moved = re.fullmatch(r"translate\((\S+) (\S+)\)", element.attrib.get("transform", ""))
    rotated = re.fullmatch(r"rotate\((\S+) \S+ \S+\)", element.attrib.get("transform", ""))
    if moved:
        shift = (shift[0] + float(moved[1]), shift[1] + float(moved[2]))
    if rotated:
        # Every turned text is turned around its own foot.
        turned = float(rotated[1])
    if element.tag == "text":
        yield _word(element, shift, turned), turned
        return
    for x, y in _corners(element):
        yield (x + shift[0], y + shift[1]), turned
    for child in element:
        yield from _walk(child, shift, turned)


def _word(element: ElementTree.Element, shift: Point, turned: float) -> Word:
    classes = element.attrib.get("class", "").split()
    size = LABEL_SIZE if "label" in classes else SMALL_SIZE if "small" in classes else TEXT_SIZE
    text = "".join([element.text or "", *[child.tail or "" for child in element]])
    width = width_of(text, size=size, bold=bool({"label", "name", "strong"} & set(classes)))
    begin = {"start": 0.0, "middle": -width / 2, "end": -width}[element.attrib.get("text-anchor", "start")]
    x, y = number_of(element, "x") + shift[0], number_of(element, "y") + shift[1]
    box = ((begin, -0.76 * size), (begin + width, -0.76 * size), (begin + width, 0.16 * size), (begin, 0.16 * size))
    angle = math.radians(turned)
    a, b, c, d = (
        (x + dx * math.cos(angle) - dy * math.sin(angle), y + dx * math.sin(angle) + dy * math.cos(angle))
        for dx, dy in box
    )
    return Word(text, (a, b, c, d))


def _corners(element: ElementTree.Element) -> Iterator[Point]:
    if element.tag == "rect":
        x, y = number_of(element, "x"), number_of(element, "y")
        yield from ((x, y), (x + number_of(element, "width"), y + number_of(element, "height")))
    elif element.tag == "line":
        yield from ((number_of(element, f"x{end}"), number_of(element, f"y{end}")) for end in (1, 2))
    elif element.tag == "circle":
        x, y = float(element.attrib.get("cx", 0)), float(element.attrib.get("cy", 0))
        yield from ((x + step, y + step) for step in (-number_of(element, "r"), number_of(element, "r")))
    elif element.tag == "path":
        yield from path_points(element.attrib["d"])


def path_points(d: str) -> Iterator[Point]:
    """Yield the points of a path of M, L, H, V and Z."""
    x = y = 0.0
    for command, numbers in re.findall(r"([MLHV])([^MLHVZ]*)", d):
        values = [float(value) for value in numbers.split()]
        if command in "ML":
            x, y = values
        elif command == "H":
            [x] = values
        else:
            [y] = values
        yield x, y


def _around(corners: tuple[Point, ...]) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)
