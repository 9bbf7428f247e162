"""Names and texts of strangers appear in drawings and tables as text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from rich.console import Console

from optnas import choose, ops
from optnas.drawing.reading import read
from tests.drawing.boxes import SVG, assert_tidy

HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "]]><!--",
    "a\nb\rc\td",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "\x00\x08\ufffe\uffff\ud800",
    "&amp;&#60;",
    "ﷺ﷽" * 10,
    "漢字" * 30,
    "e\u0301" * 50 + "👩‍👩‍👧‍👦" * 9,
    "W" * 500,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_text(name):
    architecture = ops.seq(ops.positions(kind=name), ops.conv(name), ops.head())
    for drawing in (architecture.draw(), architecture.draw((3, 8, 8)), architecture.draw(expand=True)):
        assert_tidy(drawing)
        root = ElementTree.fromstring(drawing.svg.encode())
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            "svg", "style", "path", "rect", "text", "title",
        }  # fmt: skip
        assert "\x1b" not in drawing.svg
        assert "\u202e" not in drawing.svg


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.isprintable()])
def test_hostile_names_of_choices_are_text(name):
    space = ops.seq(choose(ops.relu(), ops.conv(choose(3, 5, name=name)), name=name))
    drawing = space.draw()
    assert_tidy(drawing)
    ElementTree.fromstring(drawing.svg)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_text_in_tables(name):
    table = ops.seq(ops.positions(kind=name), ops.conv(8)).table((3, 8, 8))
    ElementTree.fromstring(table.html.encode("utf-8"))
    assert "<script" not in table.html
    console = Console(width=80, force_terminal=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.capture() as captured:
        console.print(table)
    assert "\x1b[31m" not in captured.get()


def test_an_unknown_op_with_a_long_name_fits_its_box():
    drawing = read(f"seq({'very_long_name_' * 40}(3), conv(8))").draw((3, 8, 8))
    assert_tidy(drawing)
