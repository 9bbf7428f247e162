"""Networks of several inputs and heads are drawn from their inputs to their heads, each by its name."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from optnas import choose, op, ops, repeat
from optnas.drawing.ends import at_its_ends
from optnas.drawing.outline import Outline
from optnas.drawing.parts import Branches
from optnas.space import Site
from tests.drawing.test_in_browser import FAULTS

SHAPE = {"user": (1,), "picture": (1, 8, 8)}
TWO = ops.seq(
    ops.branch(
        ops.seq(ops.input("user"), ops.embedding(8, vocabulary=40), ops.flatten()),
        ops.seq(ops.input("picture"), ops.conv(8), ops.norm(), ops.relu(), ops.head(8)),
        merge="concat",
    ),
    ops.linear(16),
    ops.fork(kind=ops.seq(ops.linear(3), ops.swish(1.5, learnable=True)), value=ops.linear(1)),
)


@op
def looked_up(x: Tensor, memory: Tensor) -> Tensor:
    return x + (x @ memory.transpose(1, 2)).softmax(-1) @ memory


BLOCK = ops.update(
    x=ops.seq(looked_up(ops.input("x"), ops.input("memory")), ops.layernorm(), ops.feed_forward())
)
WORDS = ops.embedding(32, vocabulary=50)
DECODER = ops.seq(
    ops.fork(
        memory=ops.seq(ops.input("source"), WORDS, ops.transformer_block(heads=4)),
        x=ops.seq(ops.input("target"), WORDS, ops.positions()),
    ),
    BLOCK,
    BLOCK,
    ops.input("x"),
    ops.lm_head(50),
)
SPACE = ops.seq(
    ops.branch(
        ops.seq(ops.input("user"), ops.linear(choose(4, 8, name="width"))),
        ops.seq(ops.input("a_name_that_is_longer"), repeat(ops.linear(4), 1, 3, name="layers")),
        merge=choose("add", "mul"),
    ),
    ops.fork(**{f"head_{i}": ops.linear(i) for i in range(1, 6)}),
)


def drawings() -> list[Any]:
    given = {"source": (12,), "target": (10,)}
    return [TWO.draw(SHAPE), TWO.draw(SHAPE, expand=True), DECODER.draw(given), DECODER.draw(), SPACE.draw()]


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_inputs_stand_at_the_top_and_heads_at_the_bottom_with_their_shapes() -> None:
    found = texts(TWO.draw(SHAPE).svg)
    assert {"user", "picture", "1×8×8", "kind 3", "value 1"} <= set(found)
    y = {
        text: float(at)
        for at, text in re.findall(r'<text x="[^"]*" y="([^"]*)"[^>]*>([^<]*)</text>', TWO.draw(SHAPE).svg)
    }
    assert y["user"] == y["picture"] == min(y.values())
    assert y["kind 3"] == y["value 1"] > y["linear 16"]
    assert not any(text.startswith("input ") for text in found), "no input comes from elsewhere"


def test_only_what_begins_at_the_inputs_and_ends_in_heads_has_no_line_to_a_common_one() -> None:
    site = Site.of(SHAPE, {})
    chain, begins, ends = at_its_ends(Outline(site).of(TWO, site.shape))
    assert (begins, ends) == (True, True)
    assert isinstance(chain.parts[0], Branches)
    assert chain.parts[0].begins
    assert not chain.parts[0].ends
    one = ops.seq(ops.branch(ops.conv(4), ops.identity()), ops.fork(a=ops.head(1)), ops.input("a"))
    _, begins, ends = at_its_ends(Outline(None).of(one, None))
    assert (begins, ends) == (False, False)


def test_update_shows_what_it_replaces_what_it_keeps_and_how_often_it_stands() -> None:
    found = texts(DECODER.draw({"source": (12,), "target": (10,)}).svg)
    assert found.count("memory 12×32") == 2  # made by fork, kept by update
    assert found.count("x 10×32") == 2
    assert "×2" in found
    assert "others" in texts(DECODER.draw().svg)


def test_repeated_residuals_and_branches_say_how_often_they_stand() -> None:
    layer = ops.residual(ops.conv(8), ops.relu())
    fork = ops.branch(ops.conv(8), ops.identity())
    found = texts(ops.seq(ops.conv(8), layer, layer, layer, fork, fork, ops.head(3)).draw((3, 8, 8)).svg)
    assert {"×3", "×2"} <= set(found)


def test_the_table_has_a_row_for_each_layer_of_each_branch_by_its_name() -> None:
    rows = TWO.table(SHAPE).rows
    layers = [row["layer"] for row in rows]
    assert layers[-4:] == [
        "fork",
        "kind: linear(3)",
        "kind: swish(beta=1.5, learnable=True)",
        "value: linear(1)",
    ]
    fork = rows[layers.index("fork")]
    assert fork["flops"] == sum(row["flops"] for row in rows[layers.index("fork") + 1 :])
    assert [row["level"] for row in rows[-4:]] == [0, 1, 1, 1]


def test_what_a_head_learned_is_drawn() -> None:
    module = TWO.build(SHAPE)
    with torch.no_grad():
        for name, value in module.named_parameters():
            if "learned" in name:
                value.fill_(0.25)
    assert "0.25" in TWO.draw(SHAPE, module=module).svg


@pytest.mark.parametrize("width", [300, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_every_text_within_its_box_and_clear_of_others(
    browser: Any, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_content("".join(f"<p>{drawing.svg}</p>" for drawing in drawings()))
    count, faults = page.evaluate(FAULTS)
    page.close()
    assert count == len(drawings())
    assert faults == []
