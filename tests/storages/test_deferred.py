"""What is written to a trial while it is decided is one transaction, and its record is as ever."""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import event

from optnas import Study, integer, maximize, minimize, ops
from optnas.run.worker import work
from optnas.storages.deferred import at_once, deciding, defer, finish, write_collected
from optnas.storages.fence import LeaseLost, fenced
from optnas.storages.guarded import _guarded
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import backend_of, cache_trials, constrain, set_system_attr, storage_of
from optnas.trials.record import KEY, WORKER
from tests.servers import KINDS, serving

FILES = ["sqlite:///a.db", "a.log"]


@pytest.fixture(params=FILES)
def study(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    monkeypatch.chdir(tmp_path)
    return optuna.create_study(storage=open_storage(request.param), study_name="a")


@pytest.fixture(scope="module", params=[*FILES, *KINDS])
def any_storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a storage of each kind."""
    if request.param in KINDS:
        with serving(request.param) as server:
            yield server.url
    else:
        head, _, name = request.param.rpartition("/")
        yield (
            f"{head}/{tmp_path_factory.mktemp('here') / name}"
            if head
            else str(tmp_path_factory.mktemp("here") / name)
        )


def decide(trial: Trial) -> None:
    """Write something of each kind to a trial."""
    trial.suggest_categorical("w", [8, "x", None])
    trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    trial.set_user_attr("architecture", "seq(conv(8), 'ä\N{SNOWMAN}')")
    trial.set_user_attr("costs", {"flops": 1})
    trial.set_user_attr("costs", {"flops": 2, "never": math.inf})
    set_system_attr(trial.study, trial, "optnas:checkpoint", "name")
    constrain(trial, "params", -3)


def fields(trial: FrozenTrial) -> dict[str, Any]:
    ignored = ("_trial_id", "_number", "_datetime_start", "datetime_complete")
    found = {name: value for name, value in vars(trial).items() if name not in ignored}
    return {**found, "params": list(trial.params.items()), "ended": trial.datetime_complete is not None}


ENDS: dict[str, Callable[[Trial], tuple[TrialState, list[float] | None]]] = {
    "complete": lambda trial: (TrialState.COMPLETE, [math.inf]),
    "pruned": lambda trial: (TrialState.PRUNED, None),
    "failed": lambda trial: (TrialState.FAIL, None),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_record_is_as_if_each_write_were_one_transaction(any_storage: str, end: str) -> None:
    study = optuna.create_study(
        storage=open_storage(any_storage), sampler=optuna.samplers.RandomSampler(seed=0), study_name=end
    )
    for is_deferred in (False, True):
        study.sampler = optuna.samplers.RandomSampler(seed=0)
        trial = study.ask()
        if is_deferred:
            defer(trial)
        decide(trial)
        with at_once(trial):
            trial.report(0.5, 1)
            trial.report(-math.inf, 2)
        trial.set_user_attr("metrics", {"seconds": 1.5})
        state, values = ENDS[end](trial)
        if is_deferred:
            finish(trial, state, values)
        else:
            study.tell(trial, values, state)
    one_by_one, together = open_trials(any_storage, end)
    assert fields(together) == fields(one_by_one)


def open_trials(url: str, name: str = "a") -> list[FrozenTrial]:
    """Return the trials as another process reads them."""
    return optuna.load_study(study_name=name, storage=open_storage(url)).get_trials(deepcopy=False)


def url_of(study: optuna.Study) -> str:
    return "a.log" if Path("a.log").exists() else "sqlite:///a.db"


def test_others_see_all_of_it_or_nothing(study: optuna.Study) -> None:
    trial = study.ask()
    defer(trial)
    decide(trial)
    (seen,) = open_trials(url_of(study))
    assert (seen.params, seen.user_attrs, seen.system_attrs) == ({}, {}, {})
    write_collected(trial)
    (seen,) = open_trials(url_of(study))
    assert list(seen.params) == ["w", "lr"]
    assert seen.constraints == {"params": -3}


def test_what_is_written_at_once_is_seen_at_once(study: optuna.Study) -> None:
    trial = study.ask()
    defer(trial)
    decide(trial)
    with at_once(trial):
        trial.set_user_attr("eager", "why")
        (seen,) = open_trials(url_of(study))
        assert {"architecture", "eager"} <= seen.user_attrs.keys()
    trial.set_user_attr("metrics", {})
    assert "metrics" not in open_trials(url_of(study))[0].user_attrs


def test_what_is_changed_after_it_was_written_is_recorded_as_it_was(study: optuna.Study) -> None:
    trial = study.ask()
    defer(trial)
    costs = {"flops": 1}
    trial.set_user_attr("costs", costs)
    costs["flops"] = 2
    write_collected(trial)
    assert open_trials(url_of(study))[0].user_attrs == {"costs": {"flops": 1}}


def test_a_write_whose_answer_was_lost_is_done_once(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage: Any = storage_of(study)
    backend: Any = backend_of(storage)
    answers = [OSError(errno.ENOSPC, "full")]
    write = type(backend).write_together.__wrapped__

    def lost(self: Any, trial_id: int, writes: Any) -> None:
        write(self, trial_id, writes)
        if answers:
            raise answers.pop()

    monkeypatch.setattr(type(backend), "write_together", _guarded("write_together", lost))
    trial = study.ask()
    defer(trial)
    decide(trial)
    write_collected(trial)
    assert not answers
    answers.append(OSError(errno.ENOSPC, "full"))
    finish(trial, TrialState.COMPLETE, [1.0])
    assert not answers
    (seen,) = open_trials(url_of(study))
    assert (seen.values, list(seen.params), seen.state) == ([1.0], ["w", "lr"], TrialState.COMPLETE)


def test_nothing_of_a_trial_that_is_lost_is_written(study: optuna.Study) -> None:
    trial = study.ask()
    defer(trial)

    def refuse() -> None:
        raise LeaseLost("it is another's")

    decide(trial)
    with fenced(storage_of(study), trial._trial_id, refuse), pytest.raises(LeaseLost):
        finish(trial, TrialState.COMPLETE, [1.0])
    (seen,) = open_trials(url_of(study))
    assert (seen.params, seen.state) == ({}, TrialState.RUNNING)


def test_a_finished_trial_is_not_finished_again(study: optuna.Study) -> None:
    trial = study.ask()
    defer(trial)
    decide(trial)
    study._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [2.0])
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        finish(trial, TrialState.COMPLETE, [1.0])
    assert open_trials(url_of(study))[0].values == [2.0]


def test_another_kind_of_values_is_refused_where_it_is_suggested(study: optuna.Study) -> None:
    study.add_trial(
        optuna.create_trial(params={"w": 8}, distributions={"w": CategoricalDistribution([8])}, value=1.0)
    )
    trial = study.ask()
    defer(trial)
    with pytest.raises(ValueError, match="distribution"):
        trial.suggest_float("w", 0, 1)
    trial.suggest_float("v", 0, 1)
    write_collected(trial)
    assert open_trials(url_of(study))[1].distributions == {"v": FloatDistribution(0, 1)}


def test_a_trial_is_decided_by_trials_that_are_read_once(study: optuna.Study) -> None:
    trial = study.ask()
    cache_trials(study, study.get_trials(deepcopy=False))
    with deciding(trial):
        study.add_trial(optuna.create_trial(value=1.0))
        assert len(study.trials) == 1
        trial.suggest_float("x", 0, 1)
        assert study.trials[0].params == trial.params
        write_collected(trial)
        assert len(study.trials) == 2
    assert len(study.trials) == 2


def test_an_objective_that_ends_early_leaves_what_it_wrote(study: optuna.Study) -> None:
    def objective(trial: Trial) -> float:
        with deciding(trial):
            decide(trial)
            raise optuna.TrialPruned

    study.optimize(objective, n_trials=1)
    (seen,) = open_trials(url_of(study))
    assert (seen.state, list(seen.params)) == (TrialState.PRUNED, ["w", "lr"])


def test_a_trial_is_three_transactions_that_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    seen: list[list[str]] = []

    def evaluate(candidate: Any, report: Any) -> dict[str, float]:
        trial = open_trials(url)[-1]
        seen.append([*trial.params, *trial.user_attrs, *trial.system_attrs])
        return {"accuracy": 0.5}

    study = Study(
        name="a",
        space=ops.seq(ops.conv(integer(1, 200, name="w")), ops.head()),
        shape=(1, 8, 8),
        context={"outputs": 10},
        objectives=[maximize("accuracy"), minimize("flops")],
        constraints=["params <= 200_000"],
        evaluate=evaluate,
        sampler="random",
        pruner="none",
    )
    opened = study.open(open_storage(url))
    work(study, opened, 2)
    engine = backend_of(storage_of(opened)).engine  # type: ignore[attr-defined]
    wrote: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: wrote.append(args[2].split()[0]))
    event.listen(engine, "commit", lambda _: wrote.append("COMMIT"))
    work(study, opened, 3)
    transactions = " ".join(wrote).split("COMMIT")
    assert sum("INSERT" in each or "UPDATE" in each for each in transactions) == 3
    assert {"w", "architecture", "costs", KEY.name, WORKER.name} <= set(seen[-1])
    assert len(seen) == 3, "no candidate came twice"
    assert "metrics" not in seen[-1]
    assert "metrics" in opened.trials[2].user_attrs
