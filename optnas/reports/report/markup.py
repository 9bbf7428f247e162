"""HTML of a report: every text is escaped, whoever wrote it."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence

from optnas.reports.figures.parts import Drawn
from optnas.reports.figures.web import place_of
from optnas.shown import plain

__all__ = ["Markup", "bars", "commands", "element", "figure", "items", "joined", "pairs", "table"]


class Markup(str):
    """A text that is HTML already."""


def _escaped(content: str) -> str:
    return content if isinstance(content, Markup) else html.escape(plain(content))


def element(tag: str, *content: str, **attributes: str) -> Markup:
    """Return an element; texts that are no :class:`Markup` are escaped."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for name, value in attributes.items()
    )
    return Markup(f"<{tag}{given}>{''.join(map(_escaped, content))}</{tag}>")


def joined(parts: Iterable[str]) -> Markup:
    """Return parts one after another."""
    return Markup("\n".join(map(_escaped, parts)))


def items(texts: Iterable[str]) -> Markup:
    """Return a list of sentences."""
    return element("ul", joined(element("li", text) for text in texts), class_="findings")


def pairs(rows: Iterable[tuple[str, str]]) -> Markup:
    """Return names with what they are."""
    return element("dl", *(joined([element("dt", name), element("dd", value)]) for name, value in rows))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], texts: Iterable[int] = (0,)) -> Markup:
    """Return a table; the columns of ``texts`` are texts, the others numbers."""
    kinds = ["text" if i in set(texts) else "number" for i in range(len(header))]

    def row(tag: str, cells: Sequence[str]) -> Markup:
        scope = {"scope": "col"} if tag == "th" else {}
        pieces = (element(tag, c, class_=k, **scope) for c, k in zip(cells, kinds, strict=True))
        return element("tr", joined(pieces))

    head, body = element("thead", row("th", header)), element("tbody", joined(row("td", r) for r in rows))
    label = plain(f"Table of {', '.join(header)}")
    # It may be wider than the page, and the keyboard then scrolls it.
    return element(
        "div", element("table", head, body), class_="wide", tabindex="0", role="group", aria_label=label
    )


def bars(rows: Iterable[tuple[str, float, str]]) -> Markup:
    """Return a bar for each share, with its name and what is said of it."""
    parts = []
    for name, share, said in rows:
        filled = Markup(f'<span style="width:{100 * min(max(share, 0.0), 1.0):.1f}%"></span>')
        bar = element("span", filled, class_="bar", aria_hidden="true")
        parts.append(element("div", element("span", name), bar, element("span", said), class_="row"))
    return element("div", joined(parts), class_="bars")


def commands(*lines: str) -> Markup:
    """Return lines to type."""
    return element("pre", element("code", Markup("\n".join(map(_escaped, lines)))))


def figure(drawn: Drawn, caption: str) -> Markup:
    """Return a figure of plotly's, which the page's script draws."""
    layout = {name: value for name, value in drawn["layout"].items() if name != "title"}
    layout["margin"] = {**layout.get("margin", {}), "t": 40}
    place = Markup(place_of(json.dumps({"data": drawn["data"], "layout": layout}), plain(caption)))
    return element("figure", place, element("figcaption", caption))
