"""A mistake in an op of one's own is a failure with its place, and what cannot be counted says how it can."""

from __future__ import annotations

import doctest
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState
from torch import Tensor, nn

from optnas import Cost, Study, Training, UserError, choose, data, maximize, minimize, op, ops, tasks
from optnas.ops import define
from optnas.space import BuildError, Node, OpError, UncountableError
from tests.files import REPOSITORY, assert_refused, call

CONSTANT = torch.ones(3)


def autocast(x: Tensor) -> Tensor:
    with torch.autocast(x.device.type):
        return x * 2


def numpy(x: Tensor) -> Tensor:
    return torch.from_numpy(x.detach().numpy())


UNCOUNTABLE: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "item": (lambda x: x * x.mean().item(), "reads values in forward (test_own_mistakes.py:"),
    "condition": (lambda x: x if x.sum() > 0 else -x, "reads values in forward (test_own_mistakes.py:"),
    "list": (lambda x: x * max(x.flatten().tolist()), "reads values in forward (test_own_mistakes.py:"),
    "numpy": (numpy, "reads values in forward (test_own_mistakes.py:"),
    "mask": (lambda x: x[x > 0], "reads values in forward (test_own_mistakes.py:"),
    "constant": (lambda x: x + CONSTANT, "on another device (test_own_mistakes.py:"),
    "cpu": (lambda x: x + torch.ones(3, device="cpu"), "on another device (test_own_mistakes.py:"),
    "tuple": (lambda x: (x, x), "returns a tuple"),
    "dict": (lambda x: {"x": x}, "returns a dict"),
    "none": (lambda x: None, "returns a NoneType"),
    "autocast": (autocast, "on the meta device (test_own_mistakes.py:"),
}


@pytest.mark.parametrize("kind", UNCOUNTABLE)
def test_what_cannot_be_counted_says_why_and_what_to_do(kind: str) -> None:
    function, said = UNCOUNTABLE[kind]
    own = op(function, name="own_of_mistakes_test")
    with pytest.raises(UncountableError) as caught:
        ops.seq(ops.relu, own).cost((3,))
    message = str(caught.value)
    assert message.startswith("op 'own_of_mistakes_test' ")
    assert said in message
    assert "counted" in message
    assert "@op(cost=…)" in message
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["item", "condition", "list", "constant", "autocast"])
def test_with_a_cost_of_its_own_it_runs(kind: str) -> None:
    function, _ = UNCOUNTABLE[kind]
    own = op(function, name="own_of_mistakes_test", cost=lambda shape: Cost(shape, activations=3))
    tree = ops.seq(ops.relu, own)
    assert tree.cost((3,)).activations == 6
    assert tree.build((3,))(torch.rand(2, 3)).shape == (2, 3)


def study(space: Node, **changes: Any) -> Study:
    return Study(
        **{
            "name": "mistakes",
            "space": space,
            "task": tasks.classification(data.sklearn("wine")),
            "objectives": [maximize("accuracy"), minimize("flops")],
            "training": Training(epochs=1, hopeless_after=0),
            "sampler": "random",
            **changes,
        }
    )


def test_a_study_with_an_op_that_cannot_be_counted_is_refused_before_its_first_trial() -> None:
    own = op(UNCOUNTABLE["item"][0], name="own_of_mistakes_test")
    rare = choose(ops.relu(), ops.tanh(), ops.gelu(), own(), name="activation")
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(UserError, match="study 'mistakes': op 'own_of_mistakes_test' reads values in"):
        study(ops.seq(ops.linear(4), rare, ops.head())).open(storage)
    assert storage.get_all_studies() == []


def test_that_is_one_line_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(
        "from optnas import *\n@op\ndef loud(x):\n    return x * x.max().item()\n"
        "study = Study(name='own', space=ops.seq(loud(), ops.head()), sampler='random',\n"
        "    task=tasks.classification(data.sklearn('wine')), objectives=[maximize('accuracy')])\n"
    )
    assert_refused(call("run", "own.py", "--trials", 2), "op 'loud' reads values in forward (own.py:4)")


class Attribute(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return self.weigths(x)  # type: ignore[no-any-return, operator]


class Constructor(nn.Module):
    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.layer = nn.Linear(in_features, in_features, biass=True)  # type: ignore[call-arg]


class NoForward(nn.Module):
    pass


BUGS: dict[str, tuple[Any, str]] = {
    "attribute": (Attribute, "AttributeError: 'Attribute' object has no attribute 'weigths'"),
    "name": (lambda x: undefined * x, "NameError: name 'undefined' is not defined"),  # type: ignore[name-defined] # noqa: F821
    "type": (lambda x: x.relu(3), "TypeError: "),
    "key": (lambda x: {}["no"] * x, "KeyError: 'no'"),
    "constructor": (Constructor, "TypeError: "),
    "forward": (NoForward, "NotImplementedError: Module [NoForward] is missing the required"),
}


@pytest.mark.parametrize("kind", BUGS)
def test_a_bug_in_an_op_fails_the_trial_with_its_place(kind: str) -> None:
    wrapped, said = BUGS[kind]
    space = ops.seq(ops.linear(4), op(wrapped, name="buggy_of_mistakes_test")(), ops.head())
    this = study(space)
    opened = this.open(optuna.storages.InMemoryStorage())
    opened.optimize(this.objective, n_trials=1, catch=(Exception,))
    (trial,) = opened.trials
    assert trial.state == TrialState.FAIL
    assert trial.constraints == {}
    reason = trial.user_attrs["reason"]
    assert reason.startswith(said)
    with pytest.raises(OpError) as caught:
        space.cost((13,), outputs=3)
    if kind != "forward":  # whose place is PyTorch's
        assert re.search(r"\(test_own_mistakes\.py:\d+\)$", str(caught.value))
        assert re.search(r"\(test_own_mistakes\.py:\d+\)$", reason) or kind == "constructor"


class Misfit(nn.Module):
    def __init__(self, in_features: int, groups: int) -> None:
        super().__init__()
        if in_features % groups:
            raise ValueError(f"{groups} groups of {in_features} features")
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.parametrize(
    "make",
    [
        lambda: op(Misfit, name="misfit_of_mistakes_test")(groups=3),
        lambda: op(lambda x: x @ torch.ones(5, 5), name="misfit_of_mistakes_test")(),
        lambda: op(lambda x: x.view(-1, 3, 3), name="misfit_of_mistakes_test")(),
        lambda: op(lambda x: x.transpose(1, 2), name="misfit_of_mistakes_test")(),
    ],
)
def test_an_architecture_that_does_not_fit_is_infeasible(make: Callable[[], Node]) -> None:
    this = study(ops.seq(ops.linear(4), make(), ops.head()))
    opened = this.open(optuna.storages.InMemoryStorage())
    opened.optimize(this.objective, n_trials=1)
    assert opened.trials[0].state == TrialState.PRUNED
    assert opened.trials[0].constraints == {"buildable": 1.0}
    with pytest.raises(BuildError) as caught:
        make().cost((4,))
    assert not isinstance(caught.value, OpError)


def test_what_help_and_readme_say_of_op_runs_as_it_is() -> None:
    (example,) = doctest.DocTestFinder().find(define.op, "op", globs={})
    results = doctest.DocTestRunner().run(example)
    assert results.attempted > 3
    assert results.failed == 0
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    (block,) = [each for each in blocks if "def soft_relu" in each]
    namespace: dict[str, Any] = {}
    exec("\n".join(line.removeprefix("  ") for line in block.splitlines()), namespace)
    assert namespace["soft_relu"](sharpness=2.0).cost((3,)).elementwise == 9


def test_the_ghost_convolution_of_the_example_runs_each_convolution_once() -> None:
    from examples.custom_op import GhostConv, bent

    cost = GhostConv(16).cost((3, 8, 8))
    assert cost.flops == 2 * 64 * (8 * 3 * 9 + 8 * 9)
    assert cost.activations == 64 * (8 + 8 + 16)
    assert cost.depth == 2
    assert bent().cost((3, 8, 8)).elementwise == 6 * 3 * 64
