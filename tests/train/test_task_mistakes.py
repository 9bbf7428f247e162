"""What a task of one's own gets wrong is said in one line, and never changes what is trained or recorded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from optnas import Study, Training, choose, data, maximize, minimize, op, ops, tasks
from optnas.checkpoints.plain import from_plain, to_plain
from optnas.checkpoints.state import pack, unpack
from optnas.errors import UserError
from optnas.run import resources
from optnas.train.loop import fit

torch.set_num_threads(1)
X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))


class Sum(tasks.Task):
    data = data.tensors(X, X.sum(1), name="sum")
    metrics = ("mse",)
    output_shape = (1,)

    def loss(self, outputs, targets):
        return mse_loss(outputs[:, 0], targets)

    def measure(self, outputs, targets):
        return {"mse": self.loss(outputs, targets)}


def _task(**methods):
    return type("Mine", (Sum,), methods)()


def _fit(task, **settings):
    torch.manual_seed(0)
    module = ops.seq(ops.linear(1), ops.norm()).build((4,))
    training = Training(epochs=2, batch_size=16, **settings)
    return fit(module, task, training, device=torch.device("cpu"), seed=0)


def _study(task, **arguments):
    arguments = {"objectives": [minimize("mse")], "training": Training(epochs=1), **arguments}
    return Study(name="s", space=ops.seq(ops.linear(1)), task=task, sampler="random", **arguments)


@pytest.mark.parametrize("value", [np.float32(0.5), torch.tensor(0.5), torch.tensor([0.5]), np.array(0.5)])
def test_a_metric_may_be_a_number_of_numpy_or_pytorch_and_is_kept_in_checkpoints(value):
    kept = []
    task = _task(measure=lambda self, outputs, targets: {"mse": value})
    module = ops.seq(ops.linear(1)).build((4,))
    fit(module, task, Training(epochs=1), device=torch.device("cpu"), seed=0, keep=kept.append)
    assert kept[-1].metrics == {"mse": 0.5}
    assert type(kept[-1].metrics["mse"]) is float


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"mse": None}, "measures 'mse' as None"),
        ({"mse": "0.3"}, "measures 'mse' as '0.3'"),
        ({"mse": 1.0, "all": [1, 2]}, "measures 'all' as"),
        ({3: 1.0}, "measures 3 as 1.0"),
        ({"mse": 1.0, "params": -5.0}, "'params', which is counted exactly"),
    ],
)
def test_what_is_no_metric_is_refused(found, told):
    with pytest.raises(UserError, match=told):
        _fit(_task(measure=lambda self, outputs, targets: found))


def _trains(module, batches):
    module.train()
    for inputs, _ in batches:
        module(inputs)


def _zeroes(module, batches):
    next(module.parameters()).zero_()


def _writes_targets(module, batches):
    for _, targets in batches:
        targets.neg_()


@pytest.mark.parametrize("change", [_trains, _zeroes, _writes_targets])
def test_an_evaluation_that_changes_the_network_or_the_data_is_refused(change):
    def evaluate(self, module, batches):
        change(module, batches)
        return {"mse": 1.0}

    fresh = data.tensors(X, X.sum(1), name="fresh")
    with pytest.raises(UserError, match=r"Mine.evaluate changes the network, or inputs or targets"):
        _fit(_task(evaluate=evaluate, data=fresh))


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (Sum, "Sum is a class: give an object of it"),
        ("sum", "is no task"),
        (_task(metrics="mse"), "give the names of all metrics"),
        (_task(metrics=None), "give the names of all metrics"),
        (_task(metrics=("mse", "flops")), "'flops', which every trial has already"),
        (_task(data=None), "give a data set"),
        (_task(data=X), "give a data set"),
        (_task(batches_per_epoch=0), "a whole number of at least 1"),
        (_task(batches_per_epoch="4"), "a whole number of at least 1"),
        (_task(batches_per_epoch=4), "no experience"),
    ],
)
def test_a_task_that_lacks_what_a_study_goes_by_is_refused_as_it_is_declared(task, told):
    with pytest.raises(UserError, match=told):
        _study(task)


@pytest.mark.parametrize("name", ["chance", "ideal"])
@pytest.mark.parametrize("given", [None, 3, {"mse": None}, {"mse": "a"}])
def test_chance_and_ideal_that_are_no_numbers_are_refused(name, given):
    with pytest.raises(UserError, match=f"Mine.{name}"):
        _study(_task(**{name: given})).domain.region  # noqa: B018


def test_a_context_that_has_no_names_is_refused():
    with pytest.raises(UserError, match="give values by name"):
        _study(_task(context=[1])).context  # noqa: B018


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        (None, "yields None"),
        (X, "let it yield"),
        ((X, X, X), "let it yield"),
        ("ab", "let it yield"),
        ((X.numpy(), X), "yields inputs"),
        ((X[:0], X[:0]), "at least one sample"),
        ((X, {}), "yields targets"),
    ],
)
def test_experience_that_is_no_pair_of_tensors_is_refused(batch, told):
    def experience(self, module, training, generator):
        yield batch

    with pytest.raises(UserError, match=told):
        _fit(_task(experience=experience, batches_per_epoch=1))


@pytest.mark.parametrize("lost", [None, "a", torch.ones(3), 1j, {"a": 1.0}])
def test_a_step_that_returns_no_loss_is_refused(lost):
    with pytest.raises(UserError, match="let it return its loss, one number"):
        _fit(_task(own_step=lambda self, module, training: lambda inputs, targets, rate: lost))


def test_a_step_whose_state_cannot_be_loaded_is_one_without_a_state():
    class Step:
        def __call__(self, inputs, targets, rate):
            return 1.0

        def state_dict(self):
            raise AssertionError("nothing could load it")

    kept = []
    task, module = _task(own_step=lambda self, module, training: Step()), ops.seq(ops.linear(1)).build((4,))
    fit(module, task, Training(epochs=1), device=torch.device("cpu"), seed=0, keep=kept.append)


def test_a_text_in_a_steps_state_may_look_like_a_tensors_name():
    state = {"a": "tensor:module/0.weight", "b": ("tensor:",), "c": np.float32(0.5), "d": torch.ones(2)}
    found = from_plain(unpack(pack({"step": to_plain(state)}), "it")["step"])
    assert found.pop("d").tolist() == [1.0, 1.0]
    assert found == {"a": "tensor:module/0.weight", "b": ("tensor:",), "c": 0.5}


@pytest.mark.parametrize(
    "tensor",
    [torch.eye(2).to_sparse(), torch.zeros(2, device="meta"), torch.zeros(2, dtype=torch.complex128)],
)
def test_a_tensor_that_no_checkpoint_can_hold_is_named(tensor):
    with pytest.raises(UserError, match=r"state_dict\(\)\['a'\] is a tensor that no checkpoint can hold"):
        to_plain({"a": tensor})


def test_baselines_that_are_no_numbers_are_said_in_one_line(tmp_path):
    task = _task(baselines=lambda self: {"mean": 3})
    study = _study(task, objectives=[minimize("mse"), maximize("params")])
    with pytest.raises(UserError, match=r"Mine.baselines\(\)\['mean'\] is 3; give numbers by metric"):
        study.run(1, storage=f"sqlite:///{tmp_path / 'a.db'}", publish=False)
    assert not (tmp_path / "a.db").exists()  # before the first trial, and so before anything is written


def test_a_branch_may_be_called_self():
    node = ops.seq(ops.fork(self=ops.linear(2), other=ops.linear(3)), ops.input("self"))
    assert node.cost((4,)).shape == (2,)


def test_an_embedding_without_a_row_for_an_id_is_infeasible_and_says_how_many_it_needs(tmp_path):
    ids = torch.arange(40) % 30
    split = data.by_index(range(20), range(20, 40))  # the largest is in the validation part alone
    task = _task(data=data.tensors({"user": ids}, X[:, 0], kinds="ids", split=split, name="ids"))
    space = ops.seq(
        ops.input("user"), ops.embedding(4, vocabulary=choose(25, 30, name="rows")), ops.linear(1)
    )
    study = Study(name="s", space=space, task=task, objectives=[minimize("mse")], training=Training(epochs=1))
    rows = [{"rows": 25}, {"rows": 30}]
    found = study.run(2, storage=f"sqlite:///{tmp_path / 'a.db'}", enqueue=rows, publish=False, threads=1)
    first, second = found.trials
    assert (first.state.name, second.state.name) == ("PRUNED", "COMPLETE")
    assert "vocabulary=25) gets the id 29" in first.user_attrs["reason"]


def test_a_network_that_fails_fails_its_trials_and_not_the_trying_of_threads(monkeypatch):
    @op
    def broken(x):
        return x if x.device.type == "meta" else x[:, [7]]

    study = Study(
        name="s", space=ops.seq(ops.linear(1), broken()), task=_task(), objectives=[minimize("mse")]
    )
    monkeypatch.setattr(resources, "cores", lambda: 4)
    assert resources.default_threads(study, 1) == 1
