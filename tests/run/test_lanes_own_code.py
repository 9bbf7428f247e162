"""Several trials at once with code of someone's own: what it does to the process is for its own trial."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.trial import FrozenTrial, TrialState
from torch import Tensor, nn

from optnas import Study, Training, choose, data, integer, maximize, minimize, op, ops, tasks
from optnas.run.lanes import work_in_lanes
from optnas.run.packing import Packing
from optnas.run.worker import work
from optnas.storages.opening import open_storage
from optnas.trials.record import METRICS, REASON, TWIN


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@op(name="draws_when_built")
class DrawsWhenBuilt(nn.Module):
    def __init__(self, kind: int) -> None:
        super().__init__()
        self.shift = float(torch.rand(kind % 7 + 1, device="cpu").sum())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.shift


@op(name="seeds_when_run")
class SeedsWhenRun(nn.Module):
    def __init__(self, kind: int) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "meta":
            torch.manual_seed(self.kind)
        return x * 1.0


@op(name="in_doubles")
class InDoubles(nn.Module):
    def __init__(self, kind: int) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        time.sleep(0.001)  # Python lets another thread run meanwhile
        torch.set_default_dtype(before)
        return x * 1.0


@op(name="leaves_doubles")
class LeavesDoubles(nn.Module):
    def __init__(self, leaves: bool) -> None:
        super().__init__()
        self.leaves = leaves

    def forward(self, x: Tensor) -> Tensor:
        if self.leaves:
            torch.set_default_dtype(torch.float64)
            torch.use_deterministic_algorithms(True, warn_only=True)
            torch.set_grad_enabled(False)
            torch.set_num_threads(2)
        return x * 1.0


@op(name="draws_by_python_and_numpy")
class DrawsByPythonAndNumpy(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        random.seed(seed)
        np.random.seed(seed)

    def forward(self, x: Tensor) -> Tensor:
        return x * (random.random() + np.random.rand()) if self.training else x


class DrawsGlobally(BaseSampler):
    """A sampler as someone may write it: all of its random numbers are those of the process."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        time.sleep(0.001)
        place = torch.randint(len(distribution.choices), ()) + random.randint(0, 1)
        return distribution.choices[int(place) % len(distribution.choices)]

    def after_trial(self, *_: Any) -> None:
        np.random.rand(3)


class SeedsGlobally(BasePruner):
    def prune(self, study: Any, trial: FrozenTrial) -> bool:
        torch.manual_seed(trial.number)
        time.sleep(0.001)
        return bool(torch.rand(()) > 1)


def study(own: Any, sampler: Any = "random", **settings: Any) -> Study:
    width = choose(*range(2, 20), name="width")
    return Study(
        "own",
        ops.seq(ops.flatten(), ops.linear(width), own, ops.relu(), ops.dropout(0.3), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize("flops")],
        training=Training(epochs=3, batch_size=32, lr=1e-2, hopeless_after=0),
        sampler=sampler,
        **{"pruner": "none", **settings},
    )


def losses_alone(made: Callable[[], Study], trials: list[FrozenTrial]) -> list[float]:
    """Return the loss of each trial's candidate, trained without lanes and without other trials."""
    found = []
    for trial in trials:
        declared = made()
        declared.sampler, declared.seed = "random", declared.seed + trial.number
        opened = declared.open(optuna.storages.InMemoryStorage())
        opened.enqueue_trial(trial.params)
        work(declared, opened, 1)
        found.append(METRICS.get(opened.trials[0], {})["loss"])
    return found


def run(declared: Study, folder: Path, trials: int, enqueued: Any = ()) -> list[FrozenTrial]:
    opened = declared.open(open_storage(f"sqlite:///{folder}/study.db"))
    for params in enqueued:
        opened.enqueue_trial(params)
    work_in_lanes(declared, opened, trials, Packing(4))
    assert [REASON.of(trial) for trial in opened.trials] == [None] * trials
    assert {trial.state for trial in opened.trials} == {TrialState.COMPLETE}
    return opened.trials


@pytest.mark.parametrize(
    "own", [DrawsWhenBuilt, *(pytest.param(own, marks=pytest.mark.slow) for own in (SeedsWhenRun, InDoubles))]
)
def test_ops_whose_costs_a_sampler_counts_meanwhile_change_no_training(own: Any, tmp_path: Path) -> None:
    def made() -> Study:
        return study(own(integer(1, 100_000, name="kind")), "ehvi")

    trials = run(made(), tmp_path, 8)
    assert [METRICS.get(trial, {})["loss"] for trial in trials] == losses_alone(made, trials)
    assert torch.get_default_dtype() == torch.float32


def test_a_function_of_a_constraint_changes_no_training(tmp_path: Path) -> None:
    def builds(candidate: Any) -> bool:
        torch.manual_seed(0)
        time.sleep(0.001)
        return bool(torch.rand(100).max() > 0)

    def made() -> Study:
        return study(ops.identity(), constraints=[builds])

    trials = run(made(), tmp_path, 8, [{"width": 2 + number} for number in range(8)])
    assert [METRICS.get(trial, {})["loss"] for trial in trials] == losses_alone(made, trials)


def test_flags_that_an_op_leaves_set_hold_for_its_own_trial_alone(tmp_path: Path) -> None:
    def made() -> Study:
        return study(LeavesDoubles(choose(False, True, name="leaves")))

    opened = made().open(open_storage(f"sqlite:///{tmp_path}/study.db"))
    for number in range(8):
        opened.enqueue_trial({"width": 3 + number, "leaves": number % 2 == 0})
    work_in_lanes(made(), opened, 8, Packing(2))
    kept = opened.trials[1::2]
    assert {trial.state for trial in kept} == {TrialState.COMPLETE}
    assert [METRICS.get(trial, {})["loss"] for trial in kept] == losses_alone(made, kept)
    assert torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()


def test_flags_that_an_op_leaves_set_do_not_fail_the_next_trial_of_a_worker() -> None:
    declared = study(LeavesDoubles(choose(False, True, name="leaves")))
    opened = declared.open(optuna.storages.InMemoryStorage())
    opened.enqueue_trial({"width": 5, "leaves": True})
    opened.enqueue_trial({"width": 5, "leaves": False})
    work(declared, opened, 2)
    assert opened.trials[1].state == TrialState.COMPLETE
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == 1


def test_generators_of_python_and_numpy_are_each_trials_own(tmp_path: Path) -> None:
    def made() -> Study:
        return study(DrawsByPythonAndNumpy(choose(1, 2, 3, name="seed")))

    trials = run(made(), tmp_path, 6, [{"width": 4 + n, "seed": 1 + n % 3} for n in range(6)])
    assert [METRICS.get(trial, {})["loss"] for trial in trials] == losses_alone(made, trials)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_sampler_that_draws_from_the_generators_of_the_process_changes_no_training(
    wrapped: bool, tmp_path: Path
) -> None:
    def sampler() -> BaseSampler:
        torch.manual_seed(1)
        random.seed(3)
        return PartialFixedSampler({"unused": 1}, DrawsGlobally()) if wrapped else DrawsGlobally()

    trials = run(study(ops.identity(), sampler()), tmp_path, 12)
    trained = [trial for trial in trials if TWIN.of(trial) is None]
    assert [METRICS.get(trial, {})["loss"] for trial in trained] == losses_alone(
        lambda: study(ops.identity()), trained
    )
    # It draws on and on, as in a worker without lanes, and not the same once more in each lane.
    one = study(ops.identity(), sampler())
    opened = one.open(optuna.storages.InMemoryStorage())
    work(one, opened, 12)
    assert sorted(trial.params["width"] for trial in trials) == sorted(
        trial.params["width"] for trial in opened.trials
    )


def test_a_pruner_that_seeds_the_process_changes_no_training(tmp_path: Path) -> None:
    widths = [{"width": 2 + number} for number in range(8)]
    trials = run(study(ops.identity(), pruner=SeedsGlobally()), tmp_path, 8, widths)
    assert [METRICS.get(trial, {})["loss"] for trial in trials] == losses_alone(
        lambda: study(ops.identity()), trials
    )
