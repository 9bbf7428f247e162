"""Building: an architecture becomes a plain ``nn.Module``, or says in which node it cannot."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from optnas import choose, ops, parse, repeat
from optnas.ops import op
from optnas.space import BuildError, Node, SpaceError, ops_by_name
from tests.strategies import SHAPE, architectures


@settings(max_examples=40)
@given(architectures())
def test_any_architecture_trains_a_step_as_an_ordinary_module(body: Node) -> None:
    try:
        module = ops.seq(body, ops.head).build(SHAPE, outputs=3)
    except BuildError:
        return
    torch.manual_seed(0)
    x, y = torch.randn(8, *SHAPE), torch.arange(8) % 3
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    before = [parameter.clone() for parameter in module.parameters()]
    nn.functional.cross_entropy(module(x), y).backward()
    optimizer.step()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert any(not torch.equal(one, other) for one, other in zip(before, module.parameters(), strict=True))


def test_training_lowers_the_loss() -> None:
    module = parse("seq(conv(8), norm, residual(conv(8), swish), maxpool(2), head)").build(
        (1, 8, 8), outputs=2
    )
    torch.manual_seed(0)
    x = torch.randn(32, 1, 8, 8)
    y = (x.mean((1, 2, 3)) > 0).long()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        loss = nn.functional.cross_entropy(module(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_every_build_is_fresh_and_can_be_copied_and_saved() -> None:
    @op
    def gated_of_build_test(x: torch.Tensor, gate: nn.Module) -> torch.Tensor:
        return x * gate(x)

    tree = ops.seq(ops.conv(4), gated_of_build_test(ops.depthwise), ops.head(2))
    one, two = tree.build(SHAPE).eval(), tree.build(SHAPE).eval()
    assert not {id(p) for p in one.parameters()} & {id(p) for p in two.parameters()}
    x = torch.randn(2, *SHAPE)
    copied = copy.deepcopy(one)
    assert torch.equal(copied(x), one(x))
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.zero_()
    assert not torch.equal(copied(x), one(x))
    two.load_state_dict(copied.state_dict())
    assert torch.equal(two(x), copied(x))


def test_a_chain_of_one_is_that_module_itself() -> None:
    assert isinstance(parse("seq(seq(relu))").build((3,)), nn.ReLU)
    assert torch.equal(parse("seq").build((3,))(torch.ones(2, 3)), torch.ones(2, 3))


@pytest.mark.parametrize(
    ("text", "shape", "says"),
    [
        (
            "seq(relu, residual(conv(4), maxpool(9)))",
            (4, 8, 8),
            "maxpool(9) cannot be built on an input of shape (4, 8, 8): a window of 9 does not fit into 8",
        ),
        (
            "seq(flatten, conv(4))",
            (4, 8, 8),
            "conv(4) cannot be built on an input of shape (256,): it expects",
        ),
        ("seq(conv(4, groups=3))", (4, 8, 8), "groups=3 must divide both 4 channels and width=4"),
        ("conv(0)", (4, 8, 8), "width=0 must be a whole number of at least 1"),
        ("conv('8')", (4, 8, 8), "width='8' must be a whole number"),
        ("maxpool(2, stride=0)", (4, 8, 8), "stride=0 must be"),
        ("seq(linear(4))", (4, 8, 8), "put flatten or head before it"),
        ("linear(True)", (4,), "width=True must be"),
        ("seq(dropout(rate=1))", (4,), "rate=1.0 must be at least 0 and below 1"),
        ("norm", (1, 2, 3, 4, 5), "no batch norm takes 5 sizes"),
        (
            "seq(conv(4), head)",
            (4, 8, 8),
            "head cannot be built on an input of shape (4, 8, 8): how many outputs?",
        ),
        ("head", (4, 8, 8), "how many outputs?"),
        ("seq(relu, residual(linear(3)))", (4,), "residual(linear(3)) cannot be built"),
        ("residual(conv(4, kernel=4, padding=0))", (4, 8, 8), "no strided shortcut does the same"),
    ],
)
def test_what_cannot_be_built_names_the_innermost_node(text: str, shape: tuple[int, ...], says: str) -> None:
    for attempt in (parse(text).cost, parse(text).build):
        with pytest.raises(BuildError) as caught:
            attempt(shape)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_bug_in_an_op_of_ones_own_is_told_in_one_line_with_its_cause() -> None:
    @op
    def broken_of_build_test(x: torch.Tensor) -> torch.Tensor:
        raise KeyError("first line\nsecond line")

    @op(name="unmade_of_build_test")
    def unmade(width: int) -> nn.Module:
        raise ZeroDivisionError

    with pytest.raises(BuildError, match=r"^broken_of_build_test cannot be built on .*\(3,\): .*first line"):
        ops.seq(ops.relu, ops.residual(broken_of_build_test)).build((3,))
    with pytest.raises(
        BuildError, match=r"^unmade_of_build_test\(4\) .*: ZeroDivisionError \(test_build.py:\d+\)$"
    ) as caught:
        ops.seq(ops.relu, unmade(4)).build((3,))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("shape", [8, None, "wide", (1, 0, 8), (1, -8, 8), (1, None, 8)])
def test_a_shape_that_is_none_is_refused(shape: object) -> None:
    with pytest.raises(BuildError, match="is not a shape"):
        ops.relu().build(shape)


def test_a_space_must_be_closed_before_it_is_built() -> None:
    for space in (ops.conv(choose(8, 16)), ops.seq(repeat(ops.relu, 2))):
        for attempt in (space.cost, space.build):
            with pytest.raises(BuildError, match="close them with suggest, close or sample first"):
                attempt(SHAPE)


def test_a_tree_of_unknown_ops_cannot_be_unpickled_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    dumped = pickle.dumps(op(nn.Softplus, name="softplus_of_build_test")())
    assert str(pickle.loads(dumped)) == "softplus_of_build_test"
    monkeypatch.delitem(ops_by_name(), "softplus_of_build_test")
    with pytest.raises(SpaceError, match=r"import tests\.ops\.test_build, which defines it, first"):
        pickle.loads(dumped)
