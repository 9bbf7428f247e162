"""A supernet shares its weights among all architectures of a space."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import torch

from optnas import SpaceError, choose, integer, one_shot, ops, real, repeat, spaces
from optnas.one_shot import supernet

PICTURE, ROW, SERIES, TOKENS = (3, 16, 16), (10,), (12, 5), (12,)

SPACES = {
    "chain": (spaces.chain(most=4), PICTURE),
    "darts": (spaces.darts(nodes=2, width=4, cells=3), PICTURE),
    "mlp": (spaces.mlp(), ROW),
    "mobile": (spaces.mobile(((8, 1, 1), (16, 2, 2)), stem_stride=1), PICTURE),
    "nasbench201": (spaces.nasbench201(width=4, cells=1), PICTURE),
    "recurrent of series": (spaces.recurrent(tokens=False, widths=(8, 16)), SERIES),
    "recurrent of tokens": (spaces.recurrent(widths=(8, 16)), TOKENS),
    "recurrent language model": (spaces.recurrent("language_modelling", widths=(8, 16)), TOKENS),
    "resnet": (spaces.resnet(), PICTURE),
    "transformer of series": (spaces.transformer(tokens=False, widths=(8, 16)), SERIES),
    "transformer of tokens": (spaces.transformer(widths=(8, 16)), TOKENS),
    "transformer language model": (spaces.transformer("language_modelling", widths=(8, 16)), TOKENS),
}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def context_of(shape):
    return {"outputs": 4, "vocabulary": 11} if shape == TOKENS else {"outputs": 4}


def inputs_of(shape):
    torch.manual_seed(0)
    return torch.randint(0, 11, (3, *shape)) if shape == TOKENS else torch.randn(3, *shape)


@pytest.mark.parametrize("name", SPACES)
def test_a_path_equals_the_built_architecture_with_its_weights(name):
    space, shape = SPACES[name]
    net = supernet(space, shape, **context_of(shape))
    rng, x = random.Random(1), inputs_of(shape)
    for _ in range(4):
        architecture = space.sample(rng)
        path = net.path(architecture).eval()
        built = architecture.build(shape, **context_of(shape)).eval()
        values = path.weights() | dict(path.network.named_buffers())
        built.load_state_dict({name: values[name] for name in built.state_dict()})
        with torch.no_grad():
            torch.testing.assert_close(path(x), built(x), rtol=1e-6, atol=1e-6)


def test_every_ready_space_is_tried():
    ready = {
        name for name in spaces.__all__ if name not in ("darts_network", "genotype", "nasbench201_network")
    }
    assert {name.split()[0] for name in SPACES} == ready


def conv_space(**choices):
    block = ops.seq(ops.conv(**choices), ops.norm(), ops.relu())
    return ops.seq(block, ops.head())


def test_widths_are_the_first_channels_and_kernels_the_middle_of_the_largest():
    space = conv_space(width=choose(2, 6, name="width"), kernel=choose(3, 5, name="kernel"))
    net = supernet(space, (1, 8, 8), outputs=3)
    largest = net.path({"width": 6, "kernel": 5}).weights()
    small = net.path({"width": 2, "kernel": 3}).weights()
    (name,) = (name for name, weight in largest.items() if weight.dim() == 4)
    torch.testing.assert_close(small[name], largest[name][:2, :, 1:4, 1:4])
    head = next(name for name, weight in largest.items() if weight.dim() == 2)
    torch.testing.assert_close(small[head], largest[head][:, :2])


def test_the_gates_of_an_lstm_are_cut_one_by_one():
    space = ops.seq(ops.lstm(choose(2, 5, name="width")), ops.last(), ops.head())
    net = supernet(space, (4, 3), outputs=2)
    largest, small = net.path({"width": 5}).weights(), net.path({"width": 2}).weights()
    name = next(name for name in largest if name.endswith("weight_hh_l0"))
    gates = largest[name].reshape(4, 5, 5)[:, :2, :2]
    torch.testing.assert_close(small[name], gates.reshape(8, 2))


def test_gradients_arrive_where_an_architecture_has_its_weights_and_nowhere_else():
    net = supernet(conv_space(width=choose(2, 6, name="width")), (1, 8, 8), outputs=3)
    net.path({"width": 2})(torch.randn(4, 1, 8, 8)).square().sum().backward()
    conv = next(weight for weight in net.parameters() if weight.dim() == 4)
    assert conv.grad[:2].abs().sum() > 0
    assert conv.grad[2:].abs().sum() == 0


def test_copies_that_are_not_there_are_skipped_and_the_first_ones_are_shared():
    block = ops.seq(ops.conv(4), ops.norm(), ops.relu())
    net = supernet(ops.seq(repeat(block, 1, 3, name="layer"), ops.head()), (1, 8, 8), outputs=3)
    one, three = net.path({"layers": 1}).weights(), net.path({"layers": 3}).weights()
    first = next(weight for weight in one.values() if weight.dim() == 4)
    assert sum(weight.dim() == 4 for weight in three.values()) == 3
    assert any(weight.shape == first.shape and torch.equal(weight, first) for weight in three.values())


def test_each_option_has_weights_of_its_own():
    op = choose(ops.conv(4), ops.sepconv(4), name="op")
    net = supernet(ops.seq(op, ops.head()), (4, 8, 8), outputs=3)
    kinds = {tuple(sorted(net.path({"op": label}).weights())) for label in net.values["op"]}
    assert len(kinds) == 2
    before = net.path({"op": net.values["op"][1]}).weights()
    net.path({"op": net.values["op"][0]})(torch.randn(2, 4, 8, 8)).sum().backward()
    with torch.no_grad():
        for weight in net.parameters():
            if weight.grad is not None and weight.dim() == 4:
                weight += weight.grad
    after = net.path({"op": net.values["op"][1]}).weights()
    assert all(torch.equal(before[name], after[name]) for name in before if before[name].dim() == 4)


def test_a_cell_that_stands_there_several_times_has_weights_for_each_time():
    net = supernet(spaces.nasbench201(width=4, cells=2), PICTURE, outputs=4)
    architecture = net.space.sample(3)
    weights = sum(weight.numel() for weight in net.path(architecture).weights().values())
    assert weights == architecture.cost(PICTURE, outputs=4).params


def test_weights_that_grow_keep_what_they_have_learned():
    space = ops.seq(ops.conv(integer(2, 64, name="width")), ops.head())
    net = supernet(space, (1, 8, 8), outputs=3)
    with torch.no_grad():
        for weight in net.parameters():
            weight.fill_(7)
    small = net.path({"width": 3}).weights()
    net.path({"width": 64})
    assert all(torch.equal(weight, torch.full_like(weight, 7)) for weight in small.values())


def test_it_says_what_cannot_be_shared_and_why():
    groups = choose(1, 2, name="groups")
    start = ops.swish(beta=real(0.5, 2.0, name="beta"), learnable=True)
    space = ops.seq(ops.conv(4), ops.conv(8, groups=groups), start, ops.head())
    net = supernet(space, (1, 8, 8), outputs=3)
    assert "weights of their own" in net.unshared["groups"]
    assert "learned constant" in net.unshared["beta"]
    assert not supernet(conv_space(width=choose(2, 6, name="width")), (1, 8, 8), outputs=3).unshared


def test_it_says_which_choices_cannot_be_mixed_and_why():
    op = choose(ops.conv(4), ops.maxpool(2), name="op")
    net = supernet(ops.seq(op, ops.head()), (4, 8, 8), outputs=3)
    assert net.mixable == ()
    assert "(4, 8, 8), (4, 4, 4)" in net.unmixed["op"]


@pytest.mark.parametrize("name", ["nasbench201", "darts"])
def test_a_mixture_in_which_one_option_has_all_the_weight_is_that_architecture(name):
    space, shape = SPACES[name]
    net = supernet(space, shape, outputs=4)
    params = space.params(space.sample(5))
    everything = {each: params.get(each, values[0]) for each, values in net.values.items()}

    def probabilities(each):
        values = net.values[each]
        return torch.tensor([float(value == everything[each]) for value in values])

    assert net.mixable
    mixed = net.relaxed(everything, mixed=net.mixable, probabilities=probabilities).eval()
    with torch.no_grad():
        x = inputs_of(shape)
        torch.testing.assert_close(mixed(x), net.path(params).eval()(x), rtol=1e-4, atol=1e-5)


def test_a_mixture_of_depths_with_all_weight_on_one_is_that_depth():
    block = ops.seq(ops.conv(4), ops.relu())
    net = supernet(ops.seq(ops.conv(4), repeat(block, 0, 3, name="layer"), ops.head()), (1, 8, 8), outputs=3)
    x = torch.randn(2, 1, 8, 8)
    for depth in range(4):
        weights = torch.eye(4)[depth]
        mixed = net.relaxed({"layers": 3}, mixed=["layers"], probabilities=lambda _: weights)  # noqa: B023
        torch.testing.assert_close(mixed(x), net.path({"layers": depth})(x))


def edges(op):
    """Return a space of two choices, whose outputs are summed, between ``op`` and a skip."""
    each = [choose(op, ops.skip(), name=f"edge{index}") for index in range(2)]
    return ops.seq(ops.cell(ops.node(each[0]), ops.node(*each)), ops.head())


def test_factors_of_layers_on_edges_have_gradients_unless_a_norm_hides_them():
    plain = supernet(edges(ops.conv(3)), PICTURE, outputs=3)
    assert plain.gateable == ("edge0", "edge1")
    normed = supernet(edges(ops.relu_conv_bn(3)), PICTURE, outputs=3)
    assert normed.gateable == ()
    assert normed.mixable == ("edge0", "edge1")


def test_a_space_of_which_nothing_can_be_built_is_refused():
    with pytest.raises(SpaceError, match="can be built on"):
        supernet(ops.seq(ops.lstm(choose(2, 4)), ops.head()), (1, 8, 8), outputs=3)


def test_a_recurrent_path_has_the_shared_weights_on_its_device_too():
    space = ops.seq(ops.gru(choose(2, 5, name="width")), ops.last(), ops.head())
    net = supernet(space, SERIES, outputs=3)
    path, x = net.path({"width": 2}).to("cpu").eval(), inputs_of(SERIES)
    built = space.close({"width": 2}).build(SERIES, outputs=3).eval()
    torch.testing.assert_close(path(x), path.copy_to(built)(x))


def test_the_code_on_the_page_of_the_room_does_what_it_says():
    page = Path(one_shot.__file__).with_name("README.md").read_text(encoding="utf-8")
    codes = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (alone,) = [code for code in codes if "supernet(" in code]
    names = {"space": spaces.chain(most=2)}
    exec(alone, names)
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(names["path"].eval()(x), names["built"].eval()(x))
    (sampler,) = [code for code in codes if "OneShotSampler(" in code]
    exec(sampler.replace("Study(...,", "dict("), given := {})
    assert given["study"]["sampler"].hands_down == "one-shot"
