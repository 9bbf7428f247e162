"""Architectures and spaces are drawn: every part once, in order, to scale, and readable.

``OPTNAS_TEST_DRAWINGS=500`` draws that many architectures of each ready space instead of 10 (a minute).
"""

from __future__ import annotations

import os
import random
from xml.etree import ElementTree

import pytest

from optnas import choose, integer, ops, real, repeat, stage
from optnas.drawing.folding import _times
from optnas.space import Node
from tests.drawing.boxes import assert_tidy, rectangles, texts
from tests.spaces.test_ready import SPACES

DRAWINGS = int(os.environ.get("OPTNAS_TEST_DRAWINGS", "10"))


def assert_draws(name: str, count: int) -> None:
    space, (shape, context) = SPACES[name]
    rng = random.Random(name)
    for index in range(count):
        architecture = space.sample(rng)
        assert_tidy(architecture.draw(shape, **context))
        if index % 10 == 0:
            assert_tidy(architecture.draw(shape, expand=True, **context))
            assert_tidy(architecture.draw())


@pytest.mark.parametrize("name", SPACES)
def test_random_architectures_of_every_ready_space_are_tidy(name):
    assert_draws(name, DRAWINGS)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_500_architectures_of_every_ready_space_are_tidy(name):
    assert_draws(name, 500)


@pytest.mark.parametrize("name", SPACES)
def test_every_ready_space_is_drawn_with_its_choices(name):
    space, _ = SPACES[name]
    drawing = space.draw()
    assert_tidy(drawing)
    assert "open" in drawing.svg.split("</style>")[1]


def boxes_of(tree: Node, shape=(3, 16, 16), **context):
    return rectangles(tree.draw(shape, outputs=10, **context), "box")


def said(tree: Node, *arguments, **context) -> list[str]:
    return [text.what for text in texts(tree.draw(*arguments, **context))]


def test_boxes_are_as_wide_as_their_channels_and_as_high_as_their_flops():
    narrow, wide, least, head = boxes_of(ops.seq(ops.conv(16), ops.conv(256), ops.relu(), ops.head()))
    assert wide.x2 - wide.x1 > narrow.x2 - narrow.x1
    assert wide.y2 - wide.y1 > 2 * (narrow.y2 - narrow.y1)
    assert least.y2 - least.y1 == 20
    assert [box.y1 for box in (narrow, wide, least, head)] == sorted(
        b.y1 for b in (narrow, wide, least, head)
    )


def test_equal_layers_are_folded_and_expanded_by_argument():
    block = ops.seq(ops.conv(16), ops.norm(), ops.relu())
    tree = ops.seq(ops.conv(16), *[block] * 3, ops.head())
    assert "×3" in said(tree, (16, 8, 8), outputs=10)
    assert len(boxes_of(tree, (16, 8, 8))) < len(boxes_of(tree, (16, 8, 8), expand=True)) == 11


def test_thousands_of_equal_layers_are_folded_in_one_pass():
    """Anyone who writes into a database can write such a text; each look at a layer is a thousandth of it."""
    looked_at = 0

    class Counted(int):
        def __eq__(self, other: object) -> bool:
            nonlocal looked_at
            looked_at += 1
            return int.__eq__(self, other)

        __hash__ = int.__hash__

    counts = _times([Counted(each) for each in [0, 1] * 2_000], 2)
    assert counts[:3] + counts[-3:] == [2_000, 1_999, 1_999, 1, 1, 1]
    assert looked_at < 4_000
    pattern = [ops.conv(16), ops.relu()]
    tree = ops.seq(ops.head(), *pattern * 700, ops.norm(), *[ops.relu()] * 500)
    assert [text for text in said(tree) if text.startswith("×")] == ["×700", "×500"]


def test_layers_of_other_shapes_are_not_folded():
    tree = ops.seq(ops.maxpool(2), ops.maxpool(2))
    assert len(boxes_of(tree)) == 2


def test_composite_ops_are_opened_by_argument():
    tree = ops.seq(ops.conv_norm(8), ops.basic_block(8), ops.head())
    assert len(boxes_of(tree)) == 3
    assert len(boxes_of(tree, expand=True)) == 3 + 6 + 1


def test_shapes_stand_where_they_change():
    tree = ops.seq(ops.conv(16), ops.norm(), ops.maxpool(2), ops.head())
    shapes = [text for text in said(tree, (3, 16, 16), outputs=10) if "×" in text and text[0].isdigit()]
    assert shapes == ["16×16×16", "16×8×8"]


def test_an_activation_shows_its_curve():
    assert ops.seq(ops.swish(beta=1.2)).draw().svg.count('class="curve"') == 1
    assert ops.seq(ops.conv(3)).draw().svg.count('class="curve"') == 0
    assert "curve faint" in ops.seq(ops.swish(beta=real(0.5, 2.0))).draw().svg


def test_residuals_and_branches_say_how_they_are_merged():
    assert "+" in said(ops.residual(ops.conv(8)), (8, 8, 8))
    assert "×" in said(ops.excite(ops.global_avgpool(), ops.sigmoid()), (8,))
    assert "concat" in said(ops.branch(ops.conv(8), ops.maxpool(3, stride=1), merge="concat"))


def test_many_branches_are_drawn_in_a_wider_picture():
    tree = ops.add(*(ops.seq(ops.conv(8, kernel=k), ops.relu()) for k in (1, 3, 5, 7, 9)))
    drawing = tree.draw((8, 8, 8))
    assert_tidy(drawing)
    assert drawing.width > 300


def test_shapes_are_written_in_full_in_narrow_columns():
    path = ops.seq(ops.conv(16, kernel=1), ops.relu(), ops.conv(8))
    drawing = ops.branch(path, path, ops.conv(8, kernel=5)).draw((3, 16, 16))
    assert_tidy(drawing)
    assert [text.what for text in texts(drawing)].count("16×16×16") == 2


def test_chains_within_cells_are_boxes():
    edge = ops.seq(ops.conv("same"), ops.norm(), ops.residual(ops.conv("same")), ops.relu())
    drawing = ops.cell(ops.node(edge), ops.node(edge, ops.skip()), ops.node(*[edge] * 3)).draw((8, 8, 8))
    assert_tidy(drawing)
    assert len(rectangles(drawing, "box")) == 6


def test_options_of_a_space_are_listed():
    space = ops.seq(
        repeat(
            ops.seq(ops.conv(choose(8, 16, name="width")), choose(ops.relu(), ops.mish(), name="act")), 1, 4
        ),
        stage(ops.conv(integer(8, 64), stride=1), 1, 3, stride=2),
        ops.head(),
    )
    drawing = space.draw()
    assert_tidy(drawing)
    words = " ".join(text.what for text in texts(drawing))
    for expected in ("×1–4", "{8, 16}", "one of 2", "relu", "mish", "8–64", "×1–3"):
        assert expected in words


def test_what_cannot_be_built_is_drawn_and_says_why():
    drawing = ops.seq(ops.conv(8), ops.linear(3), ops.head()).draw((3, 8, 8))
    bad = rectangles(drawing, "bad")
    assert len(bad) == 1
    assert "cannot be built" in bad[0].what


@pytest.mark.parametrize("layers", [3, 60])
def test_3_and_60_layers_are_readable_at_300_pixels(layers):
    kinds = (lambda i: ops.conv(8 + i), lambda i: ops.norm(), lambda i: ops.swish(beta=0.5 + i / 50))
    drawing = ops.seq(*(kinds[i % 3](i) for i in range(layers))).draw((3, 16, 16))
    assert_tidy(drawing)
    assert drawing.width == 300
    assert len(rectangles(drawing, "box")) == layers
    sizes = [
        float(t.get("font-size")) for t in ElementTree.fromstring(drawing.svg).iter() if t.get("font-size")
    ]
    assert min(sizes) >= 9


def test_drawings_stand_in_one_page_without_clashes():
    svg = ops.seq(ops.conv(8), ops.relu()).draw((3, 8, 8)).svg
    root = ElementTree.fromstring(svg)
    assert not [element for element in root.iter() if "id" in element.attrib]
    assert "url(" not in svg
    assert "http" not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert "prefers-color-scheme:dark" in svg


def test_an_svg_is_saved_and_other_files_are_refused(tmp_path):
    drawing = ops.seq(ops.relu()).draw()
    drawing.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == drawing.svg == drawing._repr_svg_()
    assert drawing.data_uri.startswith("data:image/svg+xml;base64,")
    with pytest.raises(ValueError, match=r"ends in \.svg"):
        drawing.save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="cannot be written"):
        drawing.save(tmp_path / "none" / "a.svg")
