from __future__ import annotations

import random

from hypothesis import given, settings

from optnas import choose, integer, ops, real, repeat, shared
from optnas.space import Node
from optnas.space.closing import Closing, draw
from optnas.space.decisions import decided, decisions
from tests.strategies import seeds, spaces


@given(spaces(), seeds)
@settings(max_examples=200)
def test_what_is_asked_for_is_what_closing_the_space_asks_for(space: Node, seed: int) -> None:
    asked: list[tuple[str, object]] = []

    def decide(name: str, distribution: object) -> object:
        asked.append((name, distribution))
        return draw(distribution, random.Random(f"{seed} {name}"))  # type: ignore[arg-type]

    closing = Closing(decide)
    closing.close(space)
    expected, asked = asked, []
    assert decided(decisions(space), decide) == closing.decided
    assert asked == expected


def test_one_name_is_asked_for_once_over_all_spaces() -> None:
    width = shared(choose(4, 8, name="width"))
    layer = ops.seq(ops.conv(width), choose(ops.relu(), ops.swish(beta=real(0.5, 2.0)), name="act"))
    first = ops.seq(repeat(layer, 0, 2, name="layer"), ops.head())
    second = ops.conv(width, kernel=integer(1, 3, name="kernel"))
    answers = {"layers": 2, "width": 8, "layer0.act": "relu", "layer1.act": "swish", "kernel": 3}
    found = decided(
        decisions(first, second),
        lambda name, distribution: answers.get(name, 1.0),
    )
    assert found == {**answers, "layer1.act.swish.beta": 1.0}
    assert "layer1.act" not in decided(decisions(first), lambda name, d: {**answers, "layers": 1}[name])
