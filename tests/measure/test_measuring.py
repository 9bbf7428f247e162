"""Objectives and constraints on what only the built network, or the study so far, tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from safetensors.torch import save

from optnas import (
    Measuring,
    Study,
    Training,
    UserError,
    choose,
    data,
    integer,
    maximize,
    minimize,
    ops,
    parse,
    tasks,
)
from optnas.measure.machine import processor
from optnas.storages.opening import open_storage

DIGITS = tasks.classification(data.digits())
ON_THE_CPU = f"{processor()}, 1 thread, batch 1"


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "measured",
        "space": ops.seq(ops.conv(choose(1, 8, 64, name="width")), ops.conv("same"), ops.head()),
        "task": DIGITS,
        "training": Training(epochs=1, batch_size=128, device="cpu"),
        "pruner": None,
    }
    return Study(**{**settings, **changes})


def search(study: Study, widths: list[int], **opening: Any) -> list[FrozenTrial]:
    opened = study.open(opening.get("storage", optuna.storages.InMemoryStorage()))
    for width in widths:
        opened.enqueue_trial({"width": width})
    opened.optimize(study.objective, n_trials=len(widths))
    return opened.trials


def test_latency_is_an_objective_by_its_name() -> None:
    small, same = search(
        study(
            objectives=[maximize("accuracy"), minimize("latency_ms")], constraints=["latency_p95_ms < 1e6"]
        ),
        [1, 1],
    )
    costs = small.user_attrs["costs"]
    assert small.values == [small.user_attrs["metrics"]["accuracy"], costs["latency_ms"]]
    assert 0 < costs["latency_ms"] <= costs["latency_p95_ms"]
    assert same.values == small.values


def test_a_constraint_on_latency_prunes_before_anything_is_trained() -> None:
    (slow,) = search(
        study(objectives=[maximize("accuracy")], constraints=["latency_ms <= 1e-3", "params <= 1e9"]), [64]
    )
    latency = slow.user_attrs["costs"]["latency_ms"]
    assert slow.state == TrialState.PRUNED
    assert slow.user_attrs["reason"] == f"breaks 'latency_ms <= 1e-3' with latency_ms = {latency:,}"
    assert slow.constraints["latency_ms <= 1e-3"] == pytest.approx((latency - 1e-3) / 1e-3)
    assert "run" not in slow.user_attrs


def test_what_breaks_a_constraint_on_exact_costs_is_not_even_measured() -> None:
    limits = ["params <= 1", lambda candidate: candidate.costs["latency_ms"] < 1e6]
    (large,) = search(study(objectives=[minimize("latency_ms")], constraints=limits), [8])
    assert large.state == TrialState.PRUNED
    assert "latency_ms" not in large.user_attrs["costs"]


def test_a_function_of_the_candidate_sees_what_was_measured() -> None:
    limit = [lambda candidate: candidate.costs["size"] < 1]
    (large,) = search(study(objectives=[minimize("size")], constraints=limit), [8])
    assert large.state == TrialState.PRUNED


def test_size_and_peak_memory_grow_with_the_network() -> None:
    small, large = search(study(objectives=[minimize("size"), minimize("peak_memory")]), [1, 64])
    for trial in (small, large):
        module = parse(trial.user_attrs["architecture"]).build((1, 8, 8), outputs=10)
        assert trial.values[0] == len(save(module.state_dict()))
    # Two convolutions write 64 channels of 8×8 numbers of 4 bytes for each of 128 samples.
    assert large.values[1] > 2 * 64 * 8 * 8 * 4 * 128 > 10 * small.values[1]


def test_a_training_that_diverges_while_its_memory_is_measured_is_pruned() -> None:
    training = Training(epochs=1, batch_size=128, optimizer="sgd", lr=1e6, device="cpu")
    (trial,) = search(study(objectives=[minimize("peak_memory")], training=training), [64])
    assert trial.state == TrialState.PRUNED
    assert "the loss became" in trial.user_attrs["reason"]


def test_nothing_is_measured_that_nobody_asks_for() -> None:
    asked = study(objectives=[minimize("size")])
    opened = asked.open(optuna.storages.InMemoryStorage())
    opened.optimize(asked.objective, n_trials=1)
    assert {"size"} == opened.trials[0].user_attrs["costs"].keys() - set(asked.known[:7])
    assert "measured_on" not in opened.user_attrs


def test_a_study_says_on_what_it_is_measured_and_refuses_another_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/a.db")
    timed = study(objectives=[minimize("latency_ms")])
    assert timed.open(storage).user_attrs["measured_on"] == ON_THE_CPU
    search(timed, [1], storage=storage)
    monkeypatch.setattr("optnas.measure.machine.processor", lambda: "another CPU")
    with pytest.raises(UserError, match=rf"{re.escape(ON_THE_CPU)}.* another CPU, 1 thread") as told:
        timed.open(storage)
    assert "\n" not in str(told.value)


def test_other_threads_or_batches_are_another_measure(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/a.db")
    objectives = [minimize("latency_ms")]
    study(objectives=objectives).open(storage)
    with pytest.raises(UserError, match="2 threads, batch 8"):
        study(objectives=objectives, measuring=Measuring(batch=8, threads=2)).open(storage)


def test_plain_optuna_refuses_another_device_too(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = study(objectives=[minimize("latency_ms")])
    plain = optuna.create_study(directions=timed.directions)
    plain.optimize(timed.objective, n_trials=1)
    monkeypatch.setattr("optnas.measure.machine.processor", lambda: "another CPU")
    plain.enqueue_trial({"width": 64 if plain.trials[0].params["width"] == 1 else 1})
    with pytest.raises(UserError, match="do not compare"):
        plain.optimize(timed.objective, n_trials=1)


def test_energy_without_a_counter_is_refused_before_the_study_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optnas.measure.energy.RAPL.__init__.__defaults__", (tmp_path,))
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(UserError, match="no RAPL counters"):
        study(objectives=[minimize("energy")]).open(storage)
    assert storage.get_all_studies() == []


def test_measuring_checks_what_it_is_told() -> None:
    with pytest.raises(UserError, match=r"Measuring\(batch=0\)"):
        Measuring(batch=0)
    with pytest.raises(UserError, match="evaluate= measures by itself"):
        study(objectives=[minimize("a")], task=None, evaluate=lambda *_: {}, measuring=Measuring())
    with pytest.raises(UserError, match="did you mean 'latency_ms'"):
        study(objectives=[minimize("latency")])
    with pytest.raises(UserError, match="device 'cuda:99' cannot be used"):
        study(objectives=[minimize("latency_ms")], measuring=Measuring(device="cuda:99")).open(
            optuna.storages.InMemoryStorage()
        )


def test_one_score_of_accuracy_structure_and_diversity() -> None:
    scored = Study(
        "scored",
        ops.seq(ops.conv(integer(1, 11, name="width")), ops.conv(2), ops.flatten()),
        evaluate=lambda candidate, report: {"loss": 0.5},
        objectives=[minimize("loss + 0.1 * depth + 0.01 * width - diversity")],
        shape=(1, 8, 8),
    )
    first, far, near = search(scored, [1, 11, 10])
    assert [trial.user_attrs["costs"]["diversity"] for trial in (first, far, near)] == [
        1,
        1,
        pytest.approx((0.9 + 0.1) / 2),
    ]
    assert near.values == [pytest.approx(0.5 + 0.1 * 2 + 0.01 * 10 - 0.5)]
