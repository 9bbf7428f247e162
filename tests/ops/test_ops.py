"""The ops that come with optnas: what each computes, on which shapes."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
import torch
from torch import Tensor, nn

import optnas.cost
import optnas.ops
import optnas.space
from optnas import choose, ops, parse
from optnas.space import Op, ops_by_name

X = torch.linspace(-2, 2, 2 * 3 * 6 * 6).reshape(2, 3, 6, 6)


def made(text: str, x: Tensor = X, **context: int) -> Tensor:
    with torch.no_grad():
        return parse(text).build(tuple(x.shape[1:]), **context).eval()(x)


FUNCTIONS = {
    "relu": X.relu(),
    "leaky_relu(slope=0.2)": nn.functional.leaky_relu(X, 0.2),
    "elu(alpha=0.5)": nn.functional.elu(X, 0.5),
    "gelu": nn.functional.gelu(X),
    "sigmoid": X.sigmoid(),
    "tanh": X.tanh(),
    "mish": X * nn.functional.softplus(X).tanh(),
    "swish": X * X.sigmoid(),
    "swish(beta=1.5)": X * (1.5 * X).sigmoid(),
    "dropout(rate=0.9)": X,
    "norm": X / (1 + 1e-5) ** 0.5,
    "identity": X,
    "seq": X,
    "seq(relu, tanh)": X.relu().tanh(),
    "flatten": X.reshape(2, -1),
    "to_sequence": X.permute(0, 2, 3, 1).reshape(2, -1, X.shape[1]),
    "maxpool(2)": X.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5)),
    "avgpool(3)": X.unfold(2, 3, 3).unfold(3, 3, 3).mean((4, 5)),
    "avgpool(3, stride=1)": nn.functional.avg_pool2d(X, 3, 1, 1, count_include_pad=False),
    "upsample": X.repeat_interleave(2, 2).repeat_interleave(2, 3),
    "upsample(kind='bilinear')": nn.functional.interpolate(X, scale_factor=2, mode="bilinear"),
    "residual": 2 * X,
    "residual(tanh, relu)": X + X.tanh().relu(),
}


@pytest.mark.parametrize("text", FUNCTIONS)
def test_an_op_computes_its_formula(text: str) -> None:
    torch.testing.assert_close(made(text), FUNCTIONS[text])


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("conv(5)", (5, 6, 6)),
        ("conv(5, kernel=5)", (5, 6, 6)),
        ("conv(5, kernel=3, dilation=2)", (5, 6, 6)),
        ("conv(5, stride=2)", (5, 3, 3)),
        ("conv(5, padding=0)", (5, 4, 4)),
        ("conv(6, groups=3)", (6, 6, 6)),
        ("depthwise(kernel=5, stride=2)", (3, 3, 3)),
        ("sepconv(5, kernel=5, stride=3)", (5, 2, 2)),
        ("maxpool(2)", (3, 3, 3)),
        ("maxpool(3, stride=1)", (3, 6, 6)),
        ("avgpool(3, stride=2)", (3, 3, 3)),
        ("head", (10,)),
        ("head(4)", (4,)),
        ("seq(flatten, linear(7))", (7,)),
        ("seq(flatten, head)", (10,)),
        ("residual(conv(5, stride=2))", (5, 3, 3)),
        ("residual(conv(5), maxpool(3))", (5, 2, 2)),
    ],
)
def test_an_op_makes_the_shape_that_its_arguments_say(text: str, shape: tuple[int, ...]) -> None:
    assert made(text, outputs=10).shape == (2, *shape)
    assert parse(text).cost((3, 6, 6), outputs=10).shape == shape


@pytest.mark.parametrize("shape", [(4,), (4, 9), (4, 5, 5), (4, 3, 3, 3)])
def test_norms_activations_and_heads_take_any_number_of_positions(shape: tuple[int, ...]) -> None:
    tree = parse("seq(norm, relu, dropout, head(2))")
    assert tree.build(shape)(torch.randn(2, *shape)).shape == (2, 2)
    assert tree.cost(shape).shape == (2,)


def test_pooling_and_resizing_of_a_sequence_go_along_its_length() -> None:
    x = torch.arange(12.0).reshape(1, 6, 2)
    assert made("upsample", x)[0, :, 0].tolist() == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10]
    assert made("maxpool(2)", x)[0].tolist() == [[2, 3], [6, 7], [10, 11]]
    assert made("avgpool(3)", x)[0].tolist() == [[2, 3], [8, 9]]
    assert made("global_avgpool", x)[0].tolist() == [5, 6]
    assert made("global_maxpool", x)[0].tolist() == [10, 11]
    assert made("adaptive_avgpool(2)", x)[0].tolist() == [[2, 3], [8, 9]]
    assert made("transposed_conv(3, stride=4)", x).shape == (1, 24, 3)


def test_a_graph_convolution_is_the_formula_of_the_paper() -> None:
    x = torch.randn(2, 4, 3)
    module = parse("graph_conv(5, ((0, 1), (1, 2)))").build((4, 3))
    linked = torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]])
    degrees = torch.diag(linked.sum(1) ** -0.5)
    expected = module.linear(degrees @ linked @ degrees @ x)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(("size", "merge"), [((9, 7), "concat"), ((8, 8), "add"), ((5, 6), "none")])
def test_a_unet_gives_an_image_of_any_size_its_size_back(size: tuple[int, int], merge: str) -> None:
    space = ops.unet(ops.conv_norm(choose(4, 6)), depth=choose(1, 2), merge=choose("concat", "add", "none"))
    network = space.close({"block.width": 4, "depth": 2, "merge": merge})
    assert network.cost((3, *size)).shape == (4, *size)
    assert network.build((3, *size))(torch.randn(2, 3, *size)).shape == (2, 4, *size)


def test_a_skip_of_a_unet_carries_what_the_lower_levels_lose() -> None:
    x = torch.zeros(1, 1, 8, 8)
    x[..., 3, 3] = 1.0
    spikes = {}
    for merge in ("concat", "none"):
        network = ops.unet(ops.conv(1, kernel=1), depth=1, merge=merge, growth=1, down=ops.avgpool(2))
        module = network.build((1, 8, 8))
        with torch.no_grad():
            for weights in module.parameters():
                weights.fill_(1.0)
            spikes[merge] = module(x)[0, 0]
    assert spikes["none"][2:4, 2:4].unique().numel() == 1
    assert spikes["concat"][3, 3] - spikes["concat"][2, 2] == 1


def test_a_decoder_block_looks_at_all_of_the_memory_and_at_no_later_position() -> None:
    network = parse("seq(decoder_block(2), input('x'))")
    module = network.build({"x": (5, 8), "memory": (7, 6)}).eval()
    given = {"x": torch.randn(1, 5, 8), "memory": torch.randn(1, 7, 6)}
    before = module(given)
    later = given["x"].clone()
    later[:, 3:] += 1
    changed = module({**given, "x": later})
    assert torch.allclose(before[:, :3], changed[:, :3], atol=1e-6)
    assert not torch.allclose(before[:, 3:], changed[:, 3:], atol=1e-3)
    last = given["memory"].clone()
    last[:, -1] += torch.randn(6)
    assert not torch.allclose(module({**given, "memory": last})[:, 0], before[:, 0], atol=1e-3)


def test_a_linear_layer_takes_each_row_of_a_sequence() -> None:
    tree = parse("linear(5, bias=False)")
    assert tree.build((7, 4))(torch.zeros(2, 7, 4)).shape == (2, 7, 5)
    assert tree.cost((7, 4)).flops == 2 * 7 * 4 * 5


def test_only_weights_that_a_norm_does_not_follow_have_a_bias_by_default() -> None:
    assert parse("conv(5)").build((3, 6, 6)).bias is None
    assert parse("conv(5, bias=True)").build((3, 6, 6)).bias is not None
    assert parse("linear(5)").build((3,)).bias is not None
    expanded = parse("sepconv(5, bias=True)").build((3, 6, 6))
    assert [layer.bias is not None for layer in expanded] == [False, True]


def test_a_residual_has_a_shortcut_only_where_its_body_changes_the_shape() -> None:
    assert parse("residual(conv(3))").build((3, 6, 6)).shortcut is None
    shortcut = parse("residual(conv(5, stride=2))").build((3, 6, 6)).shortcut
    assert [type(layer) for layer in shortcut] == [nn.Conv2d, nn.BatchNorm2d]


def test_every_public_op_is_known_by_its_name_and_says_what_it_does() -> None:
    public = [name for name in optnas.ops.__all__ if isinstance(getattr(ops, name), Op)]
    assert len(public) > 60
    for name in public:
        assert ops_by_name()[name] is getattr(ops, name)
        assert getattr(ops, name).__doc__
        assert repr(getattr(ops, name)) == name


MODULES = [
    module.name
    for package in (optnas.space, optnas.ops, optnas.cost)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_in_the_docstrings_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_there_are_examples_in_the_docstrings() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert {test.name.rpartition(".")[2] for test in tests} >= {"Node", "choose", "parse", "op"}
