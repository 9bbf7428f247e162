"""Recognising an architecture: the exact inverse of closing."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import assume, given

from optnas import choose, integer, ops, parse, real, repeat
from optnas.space import Node, SpaceError, match
from tests.strategies import seeds, spaces, ways


@given(spaces(), seeds)
def test_the_parameters_of_an_architecture_close_to_it(space: Node, seed: int) -> None:
    architecture = space.sample(seed)
    params = space.params(architecture)
    assert space.close(params) == architecture
    assert str(space.close(params)) == str(architecture)
    assert params.keys() <= space.distributions().keys()


@given(spaces(depth=2, continuous=False))
def test_where_a_space_is_unambiguous_recognising_is_the_exact_inverse_of_closing(space: Node) -> None:
    closed = list(islice(ways(space), 150))
    assume(len(closed) < 150)
    unambiguous = len({architecture for _, architecture in closed}) == len(closed)
    for params, architecture in closed:
        found = space.params(architecture)
        assert space.close(found) == architecture
        if unambiguous:
            assert found == params


@given(spaces(), spaces(), seeds)
def test_an_architecture_of_another_space_is_recognised_or_refused(
    space: Node, other: Node, seed: int
) -> None:
    architecture = other.sample(seed)
    try:
        params = space.params(architecture)
    except SpaceError as error:
        assert "is not an architecture of this space: " in str(error)  # noqa: PT017
    else:
        assert space.close(params) == architecture


@given(spaces(), seeds)
def test_an_architecture_read_from_its_text_is_recognised(space: Node, seed: int) -> None:
    architecture = space.sample(seed)
    assert space.params(parse(str(architecture))) == space.params(architecture)


def test_the_names_of_parts_make_no_difference() -> None:
    space = ops.seq(ops.conv(choose(8, 16), name="stem"), ops.relu)
    expected = {"stem.width": 16}
    assert space.params(parse("seq(conv(16), relu)")) == expected
    assert space.params(parse("seq(conv(16, name='first'), relu(name='last'))")) == expected


@pytest.mark.parametrize(
    "text",
    [
        "seq(conv(12), norm)",
        "seq(conv(8), relu)",
        "seq(conv(8), norm, norm, norm)",
        "seq(conv(8))",
        "conv(8)",
        "seq(conv(8, kernel=5), norm)",
    ],
)
def test_what_is_not_in_the_space_is_refused(text: str) -> None:
    space = ops.seq(ops.conv(choose(8, 16)), repeat(ops.norm, 1, 2))
    with pytest.raises(SpaceError, match="is not an architecture of this space"):
        space.params(parse(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seq(conv(12), norm, relu)", "12 in conv(12) stands where the space has 8 or 16."),
        ("seq(conv(8), relu, norm, relu)", "relu stands where the space has norm."),
        ("seq(conv(8))", "seq(…) has too few parts."),
        ("seq(conv(8), norm, norm, norm, gelu)", "seq(…) has too many parts."),
        ("seq(conv(8), norm, tanh)", "tanh stands where the space has relu or swish(…)."),
        (
            "seq(conv(8), norm, swish(beta=9))",
            "9.0 in swish(beta=9.0) stands where the space has real(0.5, 2.0).",
        ),
        ("conv(8)", "conv(8) stands where the space has seq(…)."),
    ],
)
def test_what_differs_first_is_said_and_an_architecture_of_the_space_shown(text: str, said: str) -> None:
    act = choose(ops.relu, ops.swish(beta=real(0.5, 2.0)))
    space = ops.seq(ops.conv(choose(8, 16)), repeat(ops.norm, 1, 2), act)
    with pytest.raises(SpaceError) as caught:
        space.params(parse(text))
    of_space, _, shown = str(caught.value).partition(" One of it is ")
    assert of_space.endswith(f" is not an architecture of this space: {said}")
    assert space.params(parse(shown))


def test_a_long_architecture_is_shortened_to_the_line() -> None:
    space = ops.seq(repeat(ops.conv(choose(8, 16)), 1, 80, name="layer"), ops.head())
    with pytest.raises(SpaceError) as caught:
        space.params(parse(f"seq({'conv(8), ' * 60}conv(12), head)"))
    assert "12 in conv(12) stands where the space has 8 or 16" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_space_is_not_an_architecture() -> None:
    space = ops.conv(choose(8, 16))
    with pytest.raises(SpaceError, match="holes of its own"):
        space.params(space)


def test_one_decision_must_be_the_same_in_all_its_places() -> None:
    width = integer(4, 8, name="width")
    space = ops.seq(ops.conv(width), repeat(ops.conv(width), 0, 2, name="layer"), ops.sepconv(width))
    assert space.params(parse("seq(conv(4), sepconv(4))")) == {"width": 4, "layers": 0}
    with pytest.raises(SpaceError):
        space.params(parse("seq(conv(4), sepconv(5))"))
    # A copy of the layer has a width of its own.
    assert space.params(parse("seq(conv(4), conv(5), sepconv(4))"))["layer0.width"] == 5


def test_one_choice_and_one_repeat_must_be_the_same_in_all_their_places() -> None:
    act, layer = choose(ops.relu, ops.tanh, name="act"), repeat(ops.norm, 0, 2, name="layer")
    space = ops.seq(act, layer, ops.conv(8), layer, act)
    assert space.params(parse("seq(tanh, norm, conv(8), norm, tanh)")) == {"act": "tanh", "layers": 1}
    for text in (
        "seq(tanh, conv(8), relu)",
        "seq(tanh, norm, conv(8), tanh)",
        "seq(relu, conv(8), norm, relu)",
    ):
        with pytest.raises(SpaceError):
            space.params(parse(text))


def test_a_parameter_has_the_type_of_its_hole_whatever_its_argument_takes() -> None:
    for hole in (integer(1, 3, name="beta"), choose(1, 2, name="beta")):
        (beta,) = ops.swish(beta=hole).params(ops.swish(beta=2.0)).values()
        assert type(beta) is int


def test_numbers_on_the_edge_of_a_range_and_off_its_steps() -> None:
    space = ops.swish(beta=real(0.1, 0.7, step=0.2, name="beta"))
    for beta in (0.1, 0.3, 0.5, 0.7):
        assert space.params(ops.swish(beta=beta))["beta"] == pytest.approx(beta)
    for beta in (0.2, 0.0, 0.9, 1):
        with pytest.raises(SpaceError):
            space.params(ops.swish(beta=beta))


def test_long_and_ambiguous_spaces_are_searched_to_the_end() -> None:
    block = choose(ops.conv(choose(8, 16, name="width")), ops.identity, ops.relu, ops.norm, name="op")
    space = ops.seq(repeat(block, 0, 150, name="layer"), ops.norm, repeat(ops.relu, 0, 3), ops.relu)
    text = f"seq({'conv(8), relu, ' * 60}norm, relu, relu)"
    params = space.params(parse(text))
    assert str(space.close(params)) == text


def test_a_hopelessly_ambiguous_space_is_given_up() -> None:
    space = ops.seq(*[repeat(choose(ops.relu, ops.identity), 0, 9) for _ in range(9)], ops.norm)
    with pytest.raises(SpaceError, match="too ambiguous"):
        match.params(space, ops.seq(*[ops.relu] * 20), most_steps=1000)
