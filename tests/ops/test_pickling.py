"""Networks with ops of one's own are pickled, copied and saved, and lazy layers get their weights."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optnas import load, op, parse
from optnas.space import Node
from tests.files import call
from tests.space.test_source import loaded

OWN = """
import torch
from torch import nn
from optnas import op, ops
from optnas.space import Node
import {helpers}

@op
def bent(x, by=1.0):
    return x + by

@op
def gated(x, gate: nn.Module):
    return x * gate(x)

@op
class Doubled(nn.Module):
    def __init__(self, in_features, width):
        super().__init__()
        self.weights = nn.Linear(in_features, width)

    def forward(self, x):
        return 2 * self.weights(x)

@op
def made(in_features):
    return nn.Linear(in_features, in_features)

@op
def composite(width) -> Node:
    return ops.seq(Doubled(width), bent())

tangent = op(torch.tan, name="tangent")
shifted = op(lambda x: x - 1, name="shifted")
lazy = op(nn.LazyLinear, name="lazy")
"""
OF_OWN = [
    "bent(by=2.0)",
    "gated(linear('same'))",
    "Doubled(4)",
    "made",
    "composite(5)",
    "tangent",
    "shifted",
    "lazy(3)",
]
BUILT_IN = [
    "cube",
    "gaussian",
    "scale(x, 1.5)",
    "mul(identity, linear('same'))",
    "gate(identity, tanh)",
    "concat(relu, tanh)",
    "act(radial(x, tanh(x)))",
    "swish(beta=1.5)",
    "swish(learnable=True)",
    "last",
]


def saved(module: nn.Module) -> Any:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "again",
    [saved, copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],
    ids=["save", "copy", "p"],
)
@pytest.mark.parametrize("text", [*OF_OWN, *BUILT_IN])
def test_a_built_network_is_the_same_after_it_was_pickled(
    text: str, again: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    loaded(tmp_path, OWN)
    shape = (3, 4) if text == "last" else (4,)
    module = parse(f"seq({text}, relu)").build(shape).eval()
    x = torch.rand(2, *shape)
    assert torch.equal(again(module)(x), module(x))


def test_a_saved_network_is_loaded_by_a_fresh_process(tmp_path: Path) -> None:
    loaded(tmp_path, OWN)
    module = parse(f"seq({', '.join(OF_OWN)})").build((4,)).eval()
    torch.save(module, tmp_path / "network.pt")
    # The op's module is imported by itself, as that of any pickled class is.
    script = "import torch; print(torch.load('network.pt', weights_only=False)(torch.ones(1, 4)).tolist())"
    printed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{Path.cwd()}", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == str(module(torch.ones(1, 4)).tolist())


def test_a_network_whose_op_changed_since_it_was_pickled_is_told(tmp_path: Path) -> None:
    loaded(tmp_path, OWN)
    pickled = pickle.dumps(parse("bent").build((4,)))
    loaded(tmp_path, OWN.replace("x + by", "x - by"))
    with pytest.warns(UserWarning, match="the op 'bent' is not the one that was pickled"):
        pickle.loads(pickled)


LAZY = {
    "conv": (lambda: op(nn.LazyConv2d, name="lazy_of_pickling_test")(6, 3), (3, 8, 8), 6 * 3 * 9 + 6),
    "norm": (lambda: op(nn.LazyBatchNorm2d, name="lazy_of_pickling_test")(), (3, 8, 8), 6),
    "inside": (lambda: op(LazyInside, name="lazy_of_pickling_test")(), (5,), 5 * 4 + 4 + 4 * 2 + 2),
}


class LazyInside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LazyLinear(4), nn.Dropout(0.5), nn.LazyLinear(2))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


@pytest.mark.parametrize("kind", LAZY)
def test_a_lazy_layer_has_its_weights_when_it_is_built(kind: str) -> None:
    make, shape, params = LAZY[kind]
    tree: Node = make()
    assert tree.cost(shape).params == params

    def built(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        module: nn.Module = tree.build(shape)
        return module

    one, same = built(0), built(0)
    assert one.training
    assert all(part.training for part in one.modules())
    assert sum(parameter.numel() for parameter in one.parameters()) == params
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    if kind != "norm":
        assert not torch.equal(next(built(1).parameters()), next(one.parameters()))
    same.load_state_dict(one.state_dict())
    with torch.device("meta"):
        assert all(parameter.is_meta for parameter in tree.build(shape).parameters())


FILE = """
from optnas import *
from torch import nn

lazy = op(nn.LazyConv2d, name="lazy")
study = Study(
    name="lazy",
    space=ops.seq(lazy(choose(4, 8, name="width"), 3), ops.relu(), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy"), minimize("params")],
    training=Training(epochs=1, hopeless_after=0),
    sampler="random",
)
"""


def test_a_study_of_lazy_layers_runs_and_its_network_is_trained_and_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lazy.py").write_text(FILE)
    assert call("run", "lazy.py", "--trials", 2, "--workers", 1).exit_code == 0
    trained = call("train", "lazy.py", "--trial", 0, "--out", "out")
    assert trained.exit_code == 0, trained.output
    assert load("out")(torch.rand(2, 1, 8, 8)).shape == (2, 10)
