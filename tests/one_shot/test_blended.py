"""Mixtures of activations are read back as architectures that compute the same and can be trained."""

from __future__ import annotations

import pytest
import torch

from optnas import choose, ops, parse, repeat, shared
from optnas.one_shot.blended import blended, blends
from optnas.one_shot.strategies import make_strategy
from optnas.one_shot.supernet import supernet
from optnas.ops.modules import Applied
from tests.one_shot.problems import problem

GATED = ops.act(ops.mul(ops.x(), ops.sigmoid(ops.scale(ops.x(), 1.0, learnable=True))))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def space(*activations):
    activation = shared(choose(*activations, name="activation"))
    block = ops.seq(ops.linear(choose(4, 8, name="width")), activation)
    return ops.seq(repeat(block, 1, 3, name="layer"), ops.head())


def made(shares, *activations):
    """Return a supernet whose learned constants are all different, its mixture, and that read back."""
    net = supernet(space(*activations), (8,), outputs=3)
    with torch.no_grad():
        for place, key in enumerate(net.weights):
            if net.weights[key].numel() == 1:
                net.weights[key].add_(0.125 * place)  # all four digits are kept
    params = {"layers": 2, "layer0.width": 4, "layer1.width": 8, "activation": net.values["activation"][0]}
    probabilities = lambda name: torch.tensor(shares)  # noqa: E731
    mixed = net.relaxed(params, mixed=blends(net), probabilities=probabilities)
    return net, mixed, blended(net, params, probabilities)


def test_what_is_read_back_computes_what_the_supernet_does():
    options = (ops.relu(), ops.shifted_swish(learnable=True), GATED, ops.prelu())
    net, mixed, found = made([0.5, 0.25, 0.125, 0.125], *options)
    assert blends(net) == ("activation",)
    module = parse(str(found)).build((8,), outputs=3)
    own = dict(net.path({"layers": 2, "layer0.width": 4, "layer1.width": 8, "activation": "relu"}).weights())
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if name in own:  # the linear layers; the constants stand in the text
                weight.copy_(own[name])
    x = torch.randn(16, 8)
    torch.testing.assert_close(module(x), mixed(x), rtol=1e-4, atol=1e-5)
    assert sum(isinstance(part, Applied) and len(part.learned) > 0 for part in module.modules()) == 4


def test_weights_of_the_supernet_stay_as_they_are():
    net, _, _ = made([0.5, 0.5], ops.relu(), ops.swish(learnable=True))
    before = {key: net.weights[key].clone() for key in net.weights}
    blended(net, {"layers": 3, **{f"layer{i}.width": 8 for i in range(3)}}, lambda name: torch.ones(2) / 2)
    assert before.keys() == set(net.weights)
    assert all(torch.equal(before[key], net.weights[key]) for key in before)


def test_what_is_hardly_mixed_in_is_left_out():
    _, _, found = made([0.6, 0.395, 0.005], ops.relu(), ops.mish(), ops.tanh())
    term = "act(add(scale(relu, 0.6), scale(mish, 0.395)))"
    assert str(found) == f"seq(seq(linear(4), {term}), seq(linear(8), {term}), head)"


def test_choices_of_other_layers_are_no_sums():
    options = choose(ops.linear(8), ops.relu(), name="op")
    assert blends(supernet(ops.seq(options, ops.head()), (8,), outputs=3)) == ()


@pytest.mark.parametrize("name", ["darts", "beta-darts", "gdas", "single-path"])
def test_strategies_that_mix_say_how(name):
    strategy = make_strategy(name, problem(space(ops.absolute(), ops.swish(learnable=True))), epochs=3)
    strategy.train()
    found = strategy.mixtures()
    assert len(found) == (1 if "darts" in name else 0)
    for architecture in found:
        learned = [node for node in parse(str(architecture)).walk() if node.op.name == "swish"]
        assert learned
        assert all(node.arguments["beta"] != 1.0 for node in learned)
