"""The parts of a page, and the contents that follow it: a list of links to parts, figures and tables. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qcqueue.reports.markup import Content, Markup, tag


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePart:
    """One part of the page. id is its anchor; noted: marks of notes behind its title; below: anchor and words of what
    the contents name within it."""

    id: str
    title: str
    content: Content
    noted: Content = None
    below: tuple[tuple[str, str], ...] = ()

    def markup(self) -> Markup:
        return tag("section", tag("h2", self.title, self.noted), self.content, id=self.id)


def contents(parts: Sequence[PagePart], *, numbered: Iterable[tuple[str, str]]) -> Markup:
    """Return the list of parts that stays in sight beside them; numbered: anchor and words of figures and tables."""
    items = [tag("li", _link(part.id, part.title), _below(part)) for part in parts]
    listed = [tag("li", _link(anchor, words)) for anchor, words in numbered]
    return tag(
        "nav",
        tag("p", "Contents", class_="contents-head"),
        tag("ol", tag("li", _link("top", "Summary")), items),
        tag("details", tag("summary", "Figures and tables"), tag("ul", listed)) if listed else None,
        class_="contents",
        aria_label="Contents",
    )


def _below(part: PagePart) -> Content:
    return tag("ul", [tag("li", _link(anchor, words)) for anchor, words in part.below]) if part.below else None


def _link(anchor: str, words: str) -> Markup:
    return tag("a", words, href=f"#{anchor}")
