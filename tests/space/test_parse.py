"""Reading a tree from text: all that was printed, and what people write by hand."""

from __future__ import annotations

import pytest
from hypothesis import given

from optnas import choose, ops, parse, repeat
from optnas.space import Node, SpaceError
from tests.strategies import architectures, spaces


@given(spaces())
def test_what_a_space_prints_is_read_back(space: Node) -> None:
    assert parse(str(space)) == space
    assert str(parse(str(space))) == str(space)


@given(architectures())
def test_what_an_architecture_prints_is_read_back(architecture: Node) -> None:
    assert parse(str(architecture)) == architecture


def test_texts_may_be_written_in_any_way_that_python_allows() -> None:
    tree = ops.seq(ops.conv(16, kernel=5), ops.norm(), ops.swish(beta=1.5), name="all")
    text = """
        ops.seq(
            ops.conv(width=0x10, kernel=+5),  # the stem
            norm, swish(beta=15e-1,),
            name='all',
        )
    """
    assert parse(text) == tree
    assert parse("relu") == parse("relu()") == parse(" ops.relu ") == ops.relu()
    assert parse("seq(repeat(relu, 2), choose(tanh, mish))") == ops.seq(
        repeat(ops.relu, 2), choose(ops.tanh, ops.mish)
    )
    assert parse("conv(4, padding=choose(None, -1, 'same', True, [1, (2,)]))") == ops.conv(
        4, padding=choose(None, -1, "same", True, (1, (2,)))
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("conw(16)", "no op is called 'conw': did you mean 'conv'?"),
        ("seq(rely)", "did you mean 'relu'?"),
        ("chose(1, 2)", "did you mean 'choose'?"),
        ("conv(16, kernal=3)", "unexpected keyword argument 'kernal'"),
        ("conv()", "missing a required argument: 'width'"),
        ("conv(16, kernel=3, kernel=5)", "kernel= stands there twice"),
        ("seq(3)", "the child 3 is not an op's node"),
        ("choose(1, 2)", "is no op"),
        ("16", "is no op"),
        ("integer", "'integer': integer() missing 2 required positional arguments"),
        ("conv(integer(5))", "'integer(5)': "),
        ("conv(real(1, 2, sep=1))", "'real(1, 2, sep=1)': "),
        ("seq(conv(16)", "'(' was never closed at 'seq(conv(16)'"),
        ("", "not an architecture's text"),
        ("seq(relu, *[tanh])", "'*[tanh]' cannot stand in a tree"),
        ("seq(relu, 1 + 1)", "'1 + 1' cannot stand in a tree"),
    ],
)
def test_a_wrong_text_is_refused_by_a_line_that_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_long_texts_are_read_in_time() -> None:
    many = ", ".join(["conv(16)"] * 9_000)
    assert len(parse(f"seq({many})").children) == 9_000
    options = ", ".join(map(str, range(20_000)))
    assert str(parse(f"conv(choose({options}))")) == f"conv(choose({options}))"
