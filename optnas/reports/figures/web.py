"""Web pages with figures, which take the page's colours, light or dark, and fill their place."""

from __future__ import annotations

import html
import json
from importlib.resources import files

from optnas.reports.figures.parts import DARK

__all__ = ["POLICY", "page_of", "place_of", "scripts"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
"""Content-Security-Policy of such a page: nothing is loaded from anywhere, whatever stands in it."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ margin: 0; background: #fff; }}
@media (prefers-color-scheme: dark) {{ body {{ background: {dark}; }} }}
.figure {{ height: 100vh; height: 100dvh; }}
</style>
</head>
<body>
<main>
{place}
</main>
{scripts}
</body>
</html>
"""


def page_of(figure: str, title: str) -> str:
    """Return a web page that one figure fills, which needs no other file and no network.

    Args:
        figure: The figure as plotly's JSON.
        title: The page's title, as text.
    """
    return _PAGE.format(
        policy=POLICY,
        title=html.escape(title),
        dark=DARK["white"],
        place=place_of(figure, title),
        scripts=scripts(),
    )


def place_of(figure: str, caption: str) -> str:
    """Return where :func:`scripts` draw a figure, which is given as plotly's JSON; ``caption`` is text."""
    # Within a script, HTML is not read, but for its end.
    data = figure.replace("<", "\\u003c")
    label = html.escape(caption)
    return (
        f'<div class="figure" role="group" aria-label="{label}"></div>'
        f'<script type="application/json">{data}</script>'
    )


def scripts() -> str:
    """Return the scripts that draw the figures of a page, which stand behind them; plotly.js among them."""
    from plotly.offline import get_plotlyjs

    draw = files(__package__).joinpath("figures.js").read_text(encoding="utf-8")
    return "\n".join(
        [
            f'<script type="application/json" id="dark-colours">{json.dumps(DARK)}</script>',
            f"<script>{get_plotlyjs()}</script>",
            f"<script>{draw}</script>",
        ]
    )
