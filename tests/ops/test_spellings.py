"""Line lists, and texts of every spelling that mean harm or nothing at all."""

from __future__ import annotations

import contextlib
import os
import time

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optnas import ops, parse, spaces
from optnas.cost.flop_counter import counted
from optnas.space import Node, SpaceError, ops_by_name
from optnas.space.spellings import spellings

HOSTILE = int(os.environ.get("OPTNAS_TEST_HOSTILE", "2000"))


@pytest.mark.parametrize(
    ("lines", "tree"),
    [
        (
            "conv3x3 / bn / swish(beta=1.2) / maxpool2x2 / fc / softmax",
            "seq(conv('same'), norm, swish(beta=1.2), maxpool(2), flatten, head)",
        ),
        (
            "conv3x3-16\nbn\n\nrelu\nconv5x5(32, stride=2)\nfc(64)\nfc\n",
            "seq(conv(16), norm, relu, conv(32, kernel=5, stride=2), flatten, linear(64), flatten, head)",
        ),
        (
            "sepconv5x5 / dwconv3x3(stride=2) / avgpool3x3(stride=1)",
            "seq(sepconv('same', kernel=5), depthwise(stride=2), avgpool(3, stride=1))",
        ),
        ("conv3x3", "conv('same')"),
        ("Conv3x3", "conv('same')"),
        ("conv7x1", "conv('same', kernel=(7, 1))"),
        ("maxpool2x1 / ReLU", "seq(maxpool((2, 1)), relu)"),
        ("conv3x3/bn/relu", "seq(conv('same'), norm, relu)"),
        ("Conv3x3-16/BN/ReLU/GAP/Softmax", "seq(conv(16), norm, relu, global_avgpool)"),
        ("conv(16,\n kernel=5)\nbn", "seq(conv(16, kernel=5), norm)"),
        ("conv1x1(width=8)", "conv(8, kernel=1)"),
        ("bn", "norm"),
        ("fc", "seq(flatten, head)"),
        ("relu / softmax / fc", "seq(relu, softmax, flatten, head)"),
        ("conv3x3-16 / residual(conv('same'), norm) / gap / dropout(0.3)",
         "seq(conv(16), residual(conv('same'), norm), global_avgpool, dropout(rate=0.3))"),
        ("act(mul(x, sigmoid(scale(x, 1.2)))) / mish", "seq(act(mul(x, sigmoid(scale(x, 1.2)))), mish)"),
    ],
)  # fmt: skip
def test_line_lists_are_read(lines, tree):
    assert parse(lines) == parse(tree)


def test_the_papers_line_list_builds():
    parse("conv3x3 / bn / swish(beta=1.2) / maxpool2x2 / fc / softmax").build((1, 8, 8), outputs=10)


def test_a_tree_over_several_lines_is_a_tree():
    assert parse("seq(\n    conv(16),\n    relu,\n)") == ops.seq(ops.conv(16), ops.relu())
    assert parse("relu(\n)") == ops.relu()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("conv3x3 / convv5x5", "layer 2: .*did you mean 'conv'"),
        ("conv3x3\nnorn", "layer 2: .*did you mean 'norm'"),
        ("relu / swish(gamma=1)", "layer 2: .*gamma"),
        ("relu-5 / relu", "layer 1"),
        ("relu / __import__('os')", "layer 2"),
        ("conv3x3(16, kernel=5) / relu", "layer 1"),
    ],
)
def test_what_is_no_layer_is_said(lines, says):
    with pytest.raises(SpaceError, match=says):
        parse(lines)


def test_only_what_can_be_written_is_offered():
    assert set(spellings()) >= {"lines", "nasbench201", "darts"}
    with pytest.raises(SpaceError, match=r"no spelling is called 'line': did you mean 'lines'\?"):
        ops.relu().to("line")


def test_ops_that_only_other_ops_expand_to_are_not_offered() -> None:
    with pytest.raises(SpaceError) as refused:
        parse("offset_conv")
    assert "offset_convs" not in str(refused.value)


def _plain_layers() -> list[Node]:
    """Return every op that needs no arguments, as a layer, and some that do."""
    layers = [ops.conv(8), ops.sepconv("same", kernel=(1, 7), stride=2), ops.residual(ops.conv(8))]
    for name in sorted(set(ops.__all__) & ops_by_name().keys()):
        with contextlib.suppress(SpaceError):
            layers.append(getattr(ops, name)())
    return layers


@pytest.mark.parametrize("layer", _plain_layers(), ids=str)
def test_every_op_is_written_as_a_layer_and_read_back(layer: Node) -> None:
    for architecture in (layer, ops.seq(ops.relu(), layer, ops.seq(ops.flatten(), ops.linear(64)))):
        assert parse(architecture.to("lines")).key == architecture.key


@pytest.mark.parametrize(
    ("tree", "lines"),
    [
        ("seq(conv(16), norm, relu, maxpool(2), flatten, head)", "conv3x3-16 / bn / relu / maxpool2x2 / fc"),
        ("seq(conv('same', kernel=(7, 1), stride=2), mish)", "conv7x1(stride=2) / mish"),
        ("seq(seq(depthwise(5), layernorm), head)", "depthwise5x5 / ln / head"),
        ("seq(flatten, linear(64, bias=False), head(3))", "fc(64, bias=False) / head(outputs=3)"),
        ("seq(relu, softmax)", "relu / seq(softmax)"),
        ("residual(conv('same'), norm)", "residual(conv('same'), norm)"),
        ("seq(conv(8, name='stem'), relu)", "conv(8, name='stem') / relu"),
        ("avgpool(3, stride=1)", "avgpool3x3(stride=1)"),
    ],
)
def test_line_lists_are_written(tree: str, lines: str) -> None:
    assert parse(tree).to("lines") == lines
    assert parse(lines).key == parse(tree).key


@pytest.mark.parametrize(
    ("shape", "text"),
    [((4, 9, 12), "conv7x1"), ((4, 9, 12), "depthwise1x5(stride=2)"), ((4, 9, 12), "sepconv3x1-8"),
     ((4, 9, 12), "maxpool2x1"), ((4, 9, 12), "avgpool1x3(stride=1)")],
)  # fmt: skip
def test_windows_need_not_be_square(shape: tuple[int, ...], text: str) -> None:
    tree = parse(text)
    cost, module = tree.cost(shape), tree.build(shape)
    assert tuple(module(torch.zeros(2, *shape)).shape[1:]) == cost.shape
    assert cost.params == sum(weights.numel() for weights in module.parameters())
    with torch.device("meta"):
        meta = tree.build(shape)
    assert counted(meta, shape).flops == cost.flops


def test_a_square_window_is_one_however_it_is_written() -> None:
    for one, other in (("conv(8, kernel=(3, 3))", "conv(8)"), ("maxpool((2, 2))", "maxpool(2)")):
        assert parse(one).key == parse(other).key


_WORDS = """
conv3x3 conv3x3-16 bn fc softmax maxpool2x2 choose repeat stage real integer shared range
Genotype normal= normal_concat= reduce= reduce_concat= |none~0| ~ | + ( ) [ ] { } , ' = *
** - 1 0 2.5 1e999 'same' eval exec .__class__ ops. x # ; if None True ... @ := f'{1}'
b'x' 1j
"""
WORDS = st.sampled_from(
    [
        *ops_by_name(),
        *_WORDS.split(),
        *("|skip_connect~0|nor_conv_3x3~1|", " / ", "\n", '"', "\\", "\0", "\ud800", "9" * 30),
        *("inputs=(0, 1)", "lambda: 0", "for x in", "open('/etc/passwd')", "__import__('os').abort()"),
    ]
)
TEXTS = st.one_of(
    st.lists(WORDS, max_size=25).map("".join),
    st.lists(WORDS, max_size=15).map(" ".join),
    st.lists(WORDS, max_size=12).map(" / ".join),
    st.lists(WORDS, max_size=8).map(lambda words: f"Genotype({', '.join(words)})"),
    st.lists(WORDS, max_size=8).map(lambda words: "|" + "|+|".join(words) + "|"),
    st.text(max_size=80),
)


@settings(max_examples=HOSTILE)
@given(TEXTS)
@example("(" * 10_000)
@example("seq(" * 10_000 + ")" * 10_000)
@example("relu / " * 10_000)
@example("relu\n" * 10_000)
@example("|none~0|+" * 10_000)
@example("|" * 100_000)
@example(" " * 200_000 + "/")
@example("Genotype(" * 5_000)
@example(f"Genotype(normal={'[' * 5_000}, normal_concat=[], reduce=[], reduce_concat=[])")
@example("Genotype(normal=[], normal_concat=range(10**12), reduce=[], reduce_concat=[])")
@example("-" * 50_000 + "1")
@example("x" + ".x" * 50_000)
@example("1" + "+1" * 50_000)
@example("conv" + "9" * 5_000 + "x" + "9" * 5_000)
@example("conv3x3-" + "9" * 5_000)
@example(f"conv3x3({'(' * 500}{')' * 500})")
@example("stage(conv(8), 1, 10**9)")
@example("repeat(relu, 0, 999999999999)")
@example("stage(relu, 1)")
@example("act(" + "tanh(" * 59 + "x" + ")" * 60)
@example("conv3x3 / " + "a" * 100_000)
def test_any_text_is_a_tree_or_an_error_that_says_so(text):
    start = time.perf_counter()
    said = ""
    try:
        assert isinstance(parse(text), Node)
    except SpaceError as error:
        said = str(error) or "nothing"
    assert said != "nothing"
    assert len(said) < 5_000
    assert time.perf_counter() - start < 5


@given(st.lists(st.sampled_from(["conv3x3", "conv5x5-8", "bn", "relu", "maxpool2x2", "fc(8)"]), min_size=1))
def test_both_separators_say_the_same(layers):
    assert parse(" / ".join(layers)) == parse("\n".join(layers))


@given(st.integers(min_value=0, max_value=10**6))
def test_what_is_written_reads_back(seed):
    cell = spaces.nasbench201().sample(seed)
    assert parse(cell.to("nasbench201")) == cell
    cells = spaces.darts().sample(seed)
    assert parse(cells.to("darts")) == cells
