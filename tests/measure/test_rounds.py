"""Figures near a limit are measured again, and the record says how sure they are."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from optnas import Study, Training, choose, data, maximize, minimize, ops, tasks, trial_measuring
from optnas.measure.latency import Timing, latency
from optnas.measure.rounds import Round, measure_rounds, quiet_rounds
from optnas.reports.records import as_record
from optnas.reports.terminal import trial_view

NAMES = ["latency_ms", "latency_p95_ms", "energy"]


def study(*limits: Any, objectives: Any = None) -> Study:
    return Study(
        "noisy",
        ops.seq(ops.conv(choose(4, 8, name="width")), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=objectives or [maximize("accuracy")],
        constraints=limits,
        training=Training(epochs=1, device="cpu"),
        pruner=None,
        sampler="random",
    )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine whose figures are given, round by round; nothing else of it is replaced."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(Study, "check_fingerprint", lambda *_: None)
    monkeypatch.setattr("optnas.measure.measuring.Measuring.fingerprint", lambda *_: None)

    def figures(*told: float, quiet: bool = False) -> list[Collection[str]]:
        asked: list[Collection[str]] = []
        coming = iter(told)

        def measure_round(names: Collection[str], *_: Any) -> dict[str, Round]:
            asked.append(names)
            figure = next(coming)
            return {name: Round(figure, 0.05, quiet) for name in names}

        monkeypatch.setattr(trial_measuring, "measure_round", measure_round)
        return asked

    return figures


def run(declared: Study, widths: list[int]) -> list[FrozenTrial]:
    opened = declared.open(optuna.storages.InMemoryStorage())
    for width in widths:
        opened.enqueue_trial({"width": width})
    opened.optimize(declared.objective, n_trials=len(widths))
    return opened.trials


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_that_was_too_high_once_does_not_reject(machine: Any, name: str) -> None:
    machine(5.9, 5.8, 1.7)
    (trial,) = run(study(f"{name} <= 2"), [4])
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs["costs"][name] == 1.7
    assert trial.user_attrs["measurements"] == {name: {"rounds": [5.9, 5.8, 1.7], "spread": 0.05}}
    assert trial.constraints[f"{name} <= 2"] == pytest.approx(-0.15)
    opened = optuna.create_study()
    console = Console(record=True, width=80)
    console.print(trial_view(opened, trial))
    assert f"{name} = 1.7 ± 0.05, the least of 5.9, 5.8, 1.7" in console.export_text()
    assert as_record(opened, trial)["measurements"][name]["rounds"] == [5.9, 5.8, 1.7]


def within_two(candidate: Any) -> bool:
    return bool(candidate.costs["latency_ms"] <= 2)


@pytest.mark.parametrize(
    ("limits", "objectives"),
    [
        ((within_two,), [maximize("accuracy"), minimize("latency_ms")]),
        (("sqrt(latency_ms) <= 1.414",), None),
        (("latency_ms / 2 + params / 1e9 <= 1",), None),
        ((), [maximize("accuracy"), minimize("latency_ms", below=2)]),
    ],
)
def test_every_kind_of_limit_is_one(machine: Any, limits: Any, objectives: Any) -> None:
    machine(5.9, 1.5)
    (trial,) = run(study(*limits, objectives=objectives), [4])
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs["measurements"]["latency_ms"]["rounds"] == [5.9, 1.5]


def test_a_figure_just_within_a_limit_is_made_sure_and_one_far_within_is_not(machine: Any) -> None:
    near = machine(1.98, 1.97, 1.99, 1.96)
    (trial,) = run(study("latency_ms <= 2"), [4])
    assert trial.user_attrs["measurements"]["latency_ms"]["rounds"] == [1.98, 1.97, 1.99, 1.96]
    assert len(near) == 4
    far = machine(1.0)
    run(study("latency_ms <= 2"), [4])
    assert far == [["latency_ms"]]


def test_rounds_that_agree_in_quiet_moments_are_enough(machine: Any) -> None:
    asked = machine(5.9, 5.8, quiet=True)
    (trial,) = run(study("latency_ms <= 2"), [4])
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs["reason"] == "breaks 'latency_ms <= 2' with latency_ms = 5.8"
    assert len(asked) == 2


def test_what_no_other_work_explains_is_not_measured_again(machine: Any) -> None:
    asked = machine(50.0)
    (trial,) = run(study("latency_ms <= 2", "energy <= 60"), [4])
    assert trial.state == TrialState.PRUNED
    assert len(asked) == 1


def test_only_what_is_noisy_is_measured_again(machine: Any) -> None:
    asked = machine(5.9, 5.9, 5.9, 5.9)
    run(study("latency_ms <= 2", "size <= 1e9", "peak_memory <= 1e12"), [4])
    assert [sorted(names) for names in asked] == [
        ["latency_ms", "peak_memory", "size"],
        *[["latency_ms"]] * 3,
    ]


def test_a_rejection_by_a_noisy_figure_is_not_lent_to_the_same_candidate(machine: Any) -> None:
    machine(5.9, 5.9, 5.9, 5.9, 1.7)
    rejected, again, third = run(study("latency_ms <= 2"), [4, 4, 4])
    assert rejected.state == TrialState.PRUNED
    assert again.state == TrialState.COMPLETE
    assert again.user_attrs["costs"]["latency_ms"] == 1.7
    assert third.user_attrs["twin"] == again.number


def test_a_rejection_by_an_exact_figure_is_lent(machine: Any) -> None:
    machine()
    _, again = run(study("params <= 1", "latency_ms <= 2"), [4, 4])
    assert again.user_attrs["reason"].startswith("the same as trial 0: breaks 'params <= 1'")


def test_pauses_stand_between_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    rounds = measure_rounds(lambda names: {"energy": Round(3.0)}, ["energy"], lambda figures: True)
    assert waited == [1.0, 2.0, 4.0]
    assert rounds == {"energy": [Round(3.0)] * 4}


def test_a_latency_says_how_far_its_blocks_differ() -> None:
    quick = Timing(fewest_seconds=0.1, most_seconds=0.3)
    found = latency(lambda: time.sleep(0.002), torch.device("cpu"), quick, {})
    assert 0 <= found.spread < found.median
    assert found.p95_spread >= 0


def test_what_was_measured_beside_other_work_is_measured_again_and_the_least_counts(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    coming = {
        "still": [Round(5.0, quiet=True)],
        "burst": [Round(9.0), Round(3.0, quiet=True)],
        "loud": [Round(7.0), Round(6.0), Round(8.0)],
    }
    asked = []

    def once(names: Collection[str]) -> dict[str, Round]:
        asked.append([*names])
        return {name: coming[name].pop(0) for name in names}

    assert quiet_rounds(once, [*coming]) == {"still": 5.0, "burst": 3.0, "loud": 6.0}
    assert asked == [["still", "burst", "loud"], ["burst", "loud"], ["loud"]]
