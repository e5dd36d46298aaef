"""A table for a text: as Markdown, or as LaTeX with booktabs. Numbers as a person reads them, notes below."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from qcqueue.reports.markup import visible
from qcqueue.reports.quantities.caveats import Note
from qcqueue.reports.tables.table import Marked, Table, Value

MOST_ROWS = 200
"""Of a table with more rows nobody makes a page of a paper."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$&:@])")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
    "\u2013": "--", "\u2212": r"$-$", "\u00d7": r"$\times$", "\u2265": r"$\geq$", "\u2264": r"$\leq$", "\u00a0": "~",
    "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip


def to_markdown(table: Table, notes: Sequence[Note]) -> str:
    """Return the table as a GitHub table under its caption; a note is a number in parentheses behind a value."""
    lines = [f"**{_markdown(table.caption)}**", ""]
    lines.append(_bar(_markdown(head) for head in _heads(table)))
    lines.append(_bar(":--" if column.is_text else "--:" for column in table.columns))
    marked = Marked(table, notes)
    lines += [_bar(_cells(table, marked, row, say=_markdown, mark=" <sup>{}</sup>")) for row in table.rows]
    lines += ["", *(f"{note.number}\\. {_markdown(note.text)}  " for note in marked.notes())]
    return "\n".join(lines).rstrip() + "\n"


def to_latex(table: Table, notes: Sequence[Note]) -> str:
    """Return the table as a `table` environment; it needs booktabs and textcomp, and fontenc with T1."""
    columns = "".join("l" if column.is_text else "r" for column in table.columns)
    groups = [(head, len(list(members))) for head, members in groupby(column.head for column in table.columns)]
    upper = " & ".join(f"\\multicolumn{{{span}}}{{c}}{{{_latex(head)}}}" for head, span in groups)
    lower = " & ".join(_latex(column.unit) for column in table.columns)
    marked = Marked(table, notes)
    rows = [
        " & ".join(_cells(table, marked, row, say=_latex, mark=r"\textsuperscript{{{}}}")) + r" \\"
        for row in table.rows
    ]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{_latex(table.caption)}}}",
            f"  \\label{{tab:{table.key}}}",
            f"  \\begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            f"    {upper} \\\\",
            *([f"    {lower} \\\\"] if any(column.unit for column in table.columns) else []),
            r"    \midrule",
            *(f"    {row}" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            *(f"  \\par\\smallskip\\footnotesize {note.number}. {_latex(note.text)}" for note in marked.notes()),
            r"\end{table}",
            "",
        ]
    )


def _heads(table: Table) -> list[str]:
    return [f"{column.head}, {column.unit}" if column.unit else column.head for column in table.columns]


def _bar(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(table: Table, marked: Marked, row: Sequence[Value], *, say: Callable[[str], str], mark: str) -> list[str]:
    return [
        say(words) + (mark.format(", ".join(map(str, numbers))) if numbers else "")
        for words, numbers in zip(table.said(row), marked.cells(row), strict=True)
    ]


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _line(text))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _line(text))


def _line(text: str) -> str:
    return " ".join(visible(text).split())
