"""Colour of each kind of layer, from the palette of Okabe & Ito (2008) for colour-blind readers."""

from __future__ import annotations

from optnas.drawing.fonts import FAMILY

__all__ = ["KINDS", "STYLE"]

KINDS = {
    "input": "input",
    "conv": "convolution",
    "linear": "linear",
    "norm": "norm",
    "activation": "activation",
    "pool": "pooling",
    "attention": "attention",
    "recurrent": "recurrent",
    "tokens": "embedding, positions",
    "plain": "no weights",
    "cell": "cell",
    "own": "own op",
}
"""The kinds of layers, and what the legend calls them."""

# For each kind the stroke on any ground, the fill on white, and the stroke and the fill on dark.
_COLOURS = {
    "input": ("#444b53", "#ffffff", "#b6bec7", "#161b22"),
    "conv": ("#0072b2", "#d9e9f5", "#4aa8dd", "#0d3450"),
    "linear": ("#b97f00", "#fcebc8", "#e69f00", "#463207"),
    "norm": ("#858d96", "#eef0f3", "#8d96a0", "#2a3038"),
    "activation": ("#008562", "#d5f0e7", "#00b786", "#07372a"),
    "pool": ("#9a9000", "#faf7cd", "#f0e442", "#3d3a0a"),
    "attention": ("#b3568a", "#f7e2ee", "#d98bb8", "#48203a"),
    "recurrent": ("#c35400", "#fbe0d0", "#ef8a3c", "#4c2406"),
    "tokens": ("#2c8fc9", "#e4f3fc", "#56b4e9", "#12384e"),
    "plain": ("#858d96", "#ffffff", "#8d96a0", "#161b22"),
    "cell": ("#444b53", "#ffffff", "#b6bec7", "#161b22"),
    "own": ("#444b53", "#ffffff", "#b6bec7", "#161b22"),
}

# Beside boxes stands a grey that is readable on white and on dark, should a viewer not say which it has.
_GREY = "#727a83"


def _style() -> str:
    light, dark = [], []
    for kind, (stroke, fill, dark_stroke, dark_fill) in _COLOURS.items():
        light.append(f".optnas-drawing .k-{kind}{{fill:{fill};stroke:{stroke}}}")
        dark.append(f".optnas-drawing .k-{kind}{{fill:{dark_fill};stroke:{dark_stroke}}}")
        light.append(f".optnas-drawing .i-{kind}{{fill:none;stroke:{stroke};stroke-width:1.2}}")
        dark.append(f".optnas-drawing .i-{kind}{{stroke:{dark_stroke}}}")
    light += [
        f".optnas-drawing text{{font-family:{FAMILY};fill:#1b2027}}",
        ".optnas-drawing .t-soft{fill:#4d555e}",
        f".optnas-drawing .t-out{{fill:{_GREY}}}",
        f".optnas-drawing .line{{fill:none;stroke:{_GREY};stroke-width:1.2}}",
        f".optnas-drawing .thin{{fill:none;stroke:{_GREY};stroke-width:.6}}",
        f".optnas-drawing .tip{{fill:{_GREY};stroke:none}}",
        f".optnas-drawing .frame{{fill:none;stroke:{_GREY};stroke-width:1}}",
        f".optnas-drawing .open{{fill:none;stroke:{_GREY};stroke-width:1.2;stroke-dasharray:4 3}}",
        ".optnas-drawing .bar{fill:none;stroke-width:1}",
        ".optnas-drawing .dashed{stroke-dasharray:4 3}",
        ".optnas-drawing .dotted{stroke-dasharray:1.5 2.5}",
        ".optnas-drawing .dashdot{stroke-dasharray:7 2.5 1.5 2.5}",
        ".optnas-drawing .bold{stroke-width:2;stroke-linejoin:round}",
        ".optnas-drawing .dot{fill:#fff;stroke:#444b53;stroke-width:1.2}",
        ".optnas-drawing .bad{stroke:#d55e00;stroke-width:2;stroke-dasharray:2 2}",
        ".optnas-drawing .curve{fill:none;stroke:#008562;stroke-width:1.6;stroke-linejoin:round}",
        ".optnas-drawing .faint{stroke-width:1;opacity:.75}",
        ".optnas-drawing .slope{fill:none;stroke:#c35400;stroke-width:1.2;stroke-dasharray:4 3}",
        ".optnas-drawing .axis{fill:none;stroke:#858d96;stroke-width:.6}",
    ]
    dark += [
        ".optnas-drawing text{fill:#e8ebef}",
        ".optnas-drawing .t-soft{fill:#b4bcc5}",
        ".optnas-drawing .t-out{fill:#9aa3ad}",
        *(f".optnas-drawing .{name}{{stroke:#9aa3ad}}" for name in ("line", "thin", "frame", "open")),
        ".optnas-drawing .tip{fill:#9aa3ad}",
        ".optnas-drawing .dot{fill:#161b22;stroke:#b6bec7}",
        ".optnas-drawing .curve{stroke:#00c995}",
        ".optnas-drawing .slope{stroke:#ef8a3c}",
    ]
    return "".join(light) + "@media (prefers-color-scheme:dark){" + "".join(dark) + "}"


STYLE = _style()
"""The style sheet of every drawing; the same in all, so several in one page do not disturb each other."""
