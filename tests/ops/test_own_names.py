"""Names of one's own ops: none replaces another op silently, and a corrected one is another op."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor, nn

from optnas import op, ops, parse
from optnas.space import Op, SpaceError, register
from tests.space.test_source import loaded

OP = """
from optnas import op, ops
import {helpers}

@op
def scaled(x, by=1.0):
    return FACTOR * by * x

FACTOR = 2.0
"""


@pytest.mark.parametrize(
    "name", ["gelu", "conv", "seq", "x", "offset_convs", "cell", "conv3x3", "maxpool2x2", "fc", "bn"]
)
def test_a_name_that_means_a_built_in_is_refused_with_the_way_out(name: str) -> None:
    before = str(parse("gelu").build((3,)))
    for define in (
        lambda: op(lambda x: -x, name=name),
        lambda: op(nn.Identity, name=name),
        lambda: register(Op(name, ops.seq.signature)),
    ):
        with pytest.raises(SpaceError, match=rf"^op '{name}': .* such as op\(name='my_{name}'\)$"):
            define()
    assert str(parse("gelu").build((3,))) == before


@pytest.mark.parametrize("name", ["stage", "ops", "shared"])
def test_a_word_of_the_texts_is_no_name(name: str) -> None:
    with pytest.raises(SpaceError, match="no word"):
        op(lambda x: x, name=name)


def test_a_file_may_be_loaded_again_under_any_name(tmp_path: Path) -> None:
    first = loaded(tmp_path, OP).scaled
    key = ops.seq(first).key
    for name in ("own", "copied"):
        again = loaded(tmp_path / name, OP, name=name).scaled
        assert again is not first
        assert again().key == first().key == key == parse("scaled").key
        assert ops.seq(again) == ops.seq(first)


def test_two_modules_do_not_share_a_name(tmp_path: Path) -> None:
    kept = loaded(tmp_path, OP).scaled
    with pytest.raises(SpaceError, match="op 'scaled': own has another op of that name"):
        loaded(tmp_path, OP.replace("FACTOR * by", "FACTOR + by"), name="other")
    assert parse("scaled").op is kept
    for wrapped in ("torch.sin", "torch.cos", "nn.ReLU", "lambda x: x"):
        text = "from optnas import op\nimport torch\nfrom torch import nn\nf = op(torch.sin, name='f')"
        kept = loaded(tmp_path, text, name="first").f
        text = text.replace("torch.sin", wrapped)
        if wrapped == "torch.sin":
            assert loaded(tmp_path, text, name="second").f is not kept
            continue
        with pytest.raises(SpaceError, match="op 'f': first has another op of that name"):
            loaded(tmp_path, text, name="third")


@pytest.mark.parametrize(("old", "new"), [("FACTOR * by", "FACTOR + by"), ("2.0", "3.0"), ("1.0", "1.5")])
def test_a_corrected_op_is_another_one(old: str, new: str, tmp_path: Path) -> None:
    before = ops.seq(ops.relu, loaded(tmp_path, OP).scaled(by=4.0))
    key, cost = before.key, before.cost((3,))
    after = ops.seq(ops.relu, loaded(tmp_path, OP.replace(old, new)).scaled(by=4.0))
    assert str(after) == str(before)
    assert after.key != key
    assert after != before
    assert before.cost((3,)) == cost


def test_costs_of_an_op_and_of_its_correction_are_not_mixed_up() -> None:
    def made(width: int) -> Op:
        return op(lambda in_features, width=width: nn.Linear(in_features, width), name="wide_of_names_test")

    before, after = made(2), made(3)
    for tree, width in ((before(), 2), (after(), 3), (before(), 2)):
        assert ops.seq(tree).cost((4,)).shape == (width,)


def test_a_changed_cost_function_is_another_key_and_the_same_network() -> None:
    from optnas import Cost

    def made(flops: int) -> Op:
        return op(_kept, name="priced_of_names_test", cost=lambda shape, flops=flops: Cost(shape, flops))

    one, other = made(1), made(2)
    assert one().key != other().key
    assert one.digest == other.digest


def _kept(x: Tensor) -> Tensor:
    return x


def test_keys_of_built_ins_have_no_digest() -> None:
    assert {each.identity for node in parse("seq(conv(16), gelu)").walk() for each in (node.op,)} == {None}
