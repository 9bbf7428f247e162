"""Trials wait at a rung until they are among its best; whoever is free goes on with them."""

from __future__ import annotations

import io
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from rich.console import Console

from optnas import (
    Candidate,
    ParetoPromotionPruner,
    Study,
    choose,
    integer,
    maximize,
    minimize,
    ops,
    promote,
    report,
    should_prune,
)
from optnas.reports.records import as_record
from optnas.reports.terminal import trial_view
from optnas.storages.opening import open_storage
from optnas.trials.lineage import lineage, promoted_by
from optnas.trials.rungs import rungs_of

TWO = ("minimize", "minimize")
RUNGS = (1, 3, 9)


def study_with(losses: list[float], **changes: Any) -> optuna.Study:
    """Return a study in which trials, the i-th with x = i, have come to rung 1 with these losses."""
    pruner = ParetoPromotionPruner(3, rungs=RUNGS)
    study = optuna.create_study(**{"directions": TWO, "pruner": pruner, **changes})
    for i, loss in enumerate(losses):
        arrive(study, study.ask({"x": optuna.distributions.IntDistribution(i, i)}), 1, loss)
    return study


def arrive(study: optuna.Study, trial: optuna.Trial, rung: int, loss: float) -> bool:
    """Let ``trial`` come to a rung, and return whether it is to wait there."""
    report(trial, rung, (loss, loss))
    waits = should_prune(trial)
    if waits:
        study.tell(trial, state=TrialState.PRUNED)
    return waits


def waiting(study: optuna.Study) -> list[int]:
    return [trial.number for trial in study.trials if trial.state == TrialState.PRUNED]


def test_the_first_arrivals_wait_and_then_the_best_goes_on_whatever_their_order() -> None:
    for losses in ([1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [2.0, 3.0, 1.0]):
        study = study_with(losses[:2])
        assert waiting(study) == [0, 1]
        assert study.pruner.promotable(study) is None
        study = study_with(losses)
        going = [t.number for t in study.trials if t.state == TrialState.RUNNING]
        paused = study.pruner.promotable(study)
        best = losses.index(1.0)
        assert going == ([2] if best == 2 else [])
        assert (None if paused is None else paused.number) == (None if best == 2 else best)


def test_a_paused_trial_is_promoted_once_it_is_among_the_best_third() -> None:
    study = study_with([0.0, 1.0, 2.0])
    first = study.ask()
    assert promote(first).number == 0, "which is the best of three"
    assert promote(study.ask()) is None, "it goes on already, and a third of three is one"
    for loss in (3.0, 4.0):
        arrive(study, study.ask(), 1, loss)
    second = study.ask()
    assert promote(second).number == 1, "of five two go on"
    assert second.suggest_int("x", 0, 99) == 1
    assert promote(study.ask()) is None


def test_the_highest_rung_comes_first() -> None:
    study = study_with([float(i) for i in range(12)])  # of whom four go on
    for x, loss in enumerate((3.0, 4.0, 5.0)):
        trial = study.ask()
        assert promote(trial).number == x
        assert arrive(study, trial, 3, loss)
    paused = [promote(study.ask()) for _ in range(3)]
    assert rungs_of(paused[0]) == {3: [3.0, 3.0]}, "the best of three there"
    assert [trial.number for trial in lineage(study, paused[0])] == [12, 0]
    assert rungs_of(paused[1]) == {1: [3.0, 3.0]}
    assert paused[2] is None


def test_the_record_of_each_says_who_goes_on_with_whom() -> None:
    study = study_with([0.0, 1.0, 2.0])
    trial = study.ask()
    promote(trial)
    assert trial.user_attrs["promotes"] == 0
    assert study.trials[0].user_attrs["paused"] == 1
    assert promoted_by(study, study.trials[0]) == trial.number
    assert promoted_by(study, study.trials[1]) is None


def test_show_says_so_too() -> None:
    study = study_with([0.0, 1.0, 2.0])
    trial = study.ask()
    promote(trial)
    trial.set_user_attr("resumed", 1)
    shown = [shown_of(study, study.trials[number]) for number in (0, 1, trial.number)]
    assert [("as trial 3" in text, "trial 0, which was paused" in text) for text in shown] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    assert "after epoch 1" in shown[2]
    assert as_record(study, study.trials[trial.number])["promotes"] == 0


def shown_of(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> str:
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(trial_view(study, trial))
    return console.export_text()


def test_values_at_a_rung_count_once_however_often_the_trial_is_promoted() -> None:
    study = study_with([0.0, 1.0, 2.0])
    trial = study.ask()
    promote(trial)
    arrive(study, trial, 3, 0.0)
    assert rungs_of(study.trials[trial.number]) == {3: [0.0, 0.0]}
    # Had rung 1 four trials, with the best of them twice, the next one would be the second of five.
    assert arrive(study, study.ask(), 1, 0.5) is False
    assert arrive(study, study.ask(), 1, 0.7) is True


def test_what_is_promoted_does_not_stand_at_the_rung_it_left_a_second_time() -> None:
    study = study_with([0.0, 1.0, 2.0, 3.0, 4.0])
    trial = study.ask()
    promote(trial)
    assert not arrive(study, trial, 2, 9.0), "nothing is decided between rungs"
    assert arrive(study, study.ask(), 1, 1.5), "which is the third of six there: of seven it would go on"
    assert arrive(study, trial, 3, 0.0), "which is the first to come there"


def test_a_trial_that_was_there_before_the_one_it_promotes_promotes_it_once() -> None:
    study = study_with([])
    early = study.ask()
    for loss in (0.0, 1.0, 2.0):
        arrive(study, study.ask(), 1, loss)
    assert promote(early).number == 1
    arrive(study, early, 3, 5.0)
    study.pruner = ParetoPromotionPruner(3, rungs=RUNGS)  # of a worker that begins only now
    assert promote(study.ask()) is None


def test_a_trial_that_went_on_after_all_does_not_wait_where_it_was_paused() -> None:
    study = study_with([1.0, 2.0])
    ignoring = study.ask()
    report(ignoring, 1, (3.0, 3.0))
    assert should_prune(ignoring)
    report(ignoring, 3, (3.0, 3.0))
    study.tell(ignoring, state=TrialState.PRUNED)
    assert promote(study.ask()).number == 0
    for loss in (4.0, 5.0, 6.0, 7.0, 8.0):
        arrive(study, study.ask(), 1, loss)
    assert promote(study.ask()).number == 1
    assert promote(study.ask()) is None, "the third of eight is no longer there"


def test_enqueued_trials_and_other_pruners_are_left_alone() -> None:
    study = study_with([0.0, 1.0, 2.0])
    study.enqueue_trial({"x": 7})
    trial = study.ask()
    assert promote(trial) is None
    assert trial.suggest_int("x", 0, 99) == 7
    study.pruner = optuna.pruners.MedianPruner()
    assert promote(study.ask()) is None


def test_what_failed_or_broke_a_constraint_or_was_pruned_for_another_reason_is_not_promoted() -> None:
    study = study_with([])
    for i in range(9):
        trial = study.ask()
        if i == 0:
            trial.set_constraint("too large", 1.0)
        report(trial, 1, (float(i), float(i)))
        paused = should_prune(trial) if i != 1 else False
        study.tell(trial, state=TrialState.FAIL if i == 2 and paused else TrialState.PRUNED)
    assert promote(study.ask()).number == 3


def test_a_trial_that_another_worker_claims_at_the_same_moment_is_left_to_neither(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = study_with([0.0, 1.0, 2.0])
    paused = study.pruner.promotable(study)
    monkeypatch.setattr(study.pruner, "promotable", lambda study: paused)  # as both saw it
    other, ours = study.ask(), study.ask()
    other.set_user_attr("promotes", 0)
    assert promote(ours) is None
    assert study.trials[ours.number].user_attrs["promotes"] is None
    assert promote(other).number == 0, "whose claim nobody disputes any more"


def test_workers_at_once_never_promote_a_trial_twice(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/a.db")
    study_with([float(i) for i in range(30)], storage=storage, study_name="a")
    promoted = []

    def worker() -> None:
        study = optuna.load_study(study_name="a", storage=storage, pruner=ParetoPromotionPruner(rungs=RUNGS))
        for _ in range(8):
            paused = promote(study.ask())
            if paused is not None:
                promoted.append(paused.number)

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(promoted) == len(set(promoted))
    assert len(promoted) >= 5
    assert set(promoted) <= set(range(10))


def test_a_promotion_whose_worker_died_is_the_same_promotion() -> None:
    study = study_with([0.0, 1.0, 2.0])
    trial = study.ask()
    trial.set_user_attr("promotes", 0)  # and nothing further
    again = optuna.Trial(study, trial._trial_id)
    assert promote(again).number == 0
    assert again.suggest_int("x", 0, 99) == 0
    arrive(study, study.ask(), 1, -1.0)
    third = optuna.Trial(study, trial._trial_id)
    assert promote(third).number == 0


def test_nsga2_counts_promoted_trials_in_its_generations() -> None:
    sampler = optuna.samplers.NSGAIISampler(population_size=4, seed=0)
    study = optuna.create_study(
        directions=TWO, sampler=sampler, pruner=ParetoPromotionPruner(3, rungs=(1,), warmup=3)
    )

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        paused = promote(trial)
        x = trial.suggest_float("x", 0, 1)
        if paused is None:
            report(trial, 1, (x, x))
            if should_prune(trial):
                raise optuna.TrialPruned
        return x, x

    study.optimize(objective, n_trials=40)
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert any("promotes" in trial.user_attrs for trial in done)
    assert all("NSGAIISampler:generation" in trial.system_attrs for trial in done)


numbers = st.integers(-5, 5).map(float)


@settings(max_examples=40)
@given(st.data(), st.sampled_from([2, 3]), st.randoms(use_true_random=False))
def test_who_is_promoted_depends_on_neither_order_nor_direction_nor_unit(
    data: st.DataObject, count: int, rng: Any
) -> None:
    values = data.draw(st.lists(st.tuples(*[numbers] * count), min_size=3, max_size=20, unique=True))
    scales = [data.draw(st.sampled_from([-1e6, 1e-3, 7.0])) for _ in range(count)]
    order = rng.sample(range(len(values)), len(values))

    def promoted(order: Any, scales: list[float]) -> set[tuple[float, ...]]:
        """Return who goes on in the end, of trials that all arrive before any does."""
        directions = ["maximize" if scale < 0 else "minimize" for scale in scales]
        pruner = ParetoPromotionPruner(3, rungs=(1,), warmup=1000)
        study = optuna.create_study(directions=directions, pruner=pruner)
        for i in order:
            trial = study.ask()
            trial.set_user_attr("point", values[i])
            report(trial, 1, [value * scale for value, scale in zip(values[i], scales, strict=True)])
            assert should_prune(trial)
            study.tell(trial, state=TrialState.PRUNED)
        pruner.warmup = 3
        found = set()
        while (paused := promote(study.ask())) is not None:
            found.add(tuple(paused.user_attrs["point"]))
        return found

    expected = promoted(range(len(values)), [1.0] * count)
    assert promoted(order, scales) == expected
    assert expected


def test_an_evaluation_of_one_s_own_is_called_anew_with_its_seed_and_tells_nothing_twice() -> None:
    calls: list[tuple[int, int]] = []

    def evaluate(candidate: Candidate, report: Any) -> dict[str, float]:
        width = candidate.params["width"]
        calls.append((width, candidate.seed))
        for step in RUNGS:
            report(step, {"score": -width / step, "size": width % 7})
        return {"score": -width, "size": width % 7}

    searching = Study(
        "own",
        ops.seq(ops.conv(integer(1, 1000, name="width"))),
        evaluate=evaluate,
        objectives=[maximize("score"), minimize("size")],
        pruner=ParetoPromotionPruner(3, rungs=RUNGS),
        sampler="random",
        seed=100,
    )
    opened = searching.open(optuna.storages.InMemoryStorage())
    opened.optimize(searching.objective, n_trials=60)
    seeds: dict[int, set[int]] = {}
    for width, seed in calls:
        seeds.setdefault(width, set()).add(seed)
    assert all(len(each) == 1 for each in seeds.values())
    told = Counter((t.params["width"], rung) for t in opened.trials for rung in rungs_of(t))
    assert max(told.values()) == 1
    promotions = [t for t in opened.trials if t.user_attrs.get("promotes") is not None]
    assert any(t.state == TrialState.COMPLETE for t in promotions)
    assert max(len(lineage(opened, trial)) for trial in promotions) >= 3
    for trial in promotions:
        paused = opened.trials[trial.user_attrs["promotes"]]
        assert trial.params == paused.params
        assert min(rungs_of(trial), default=99) > paused.user_attrs["paused"]
        assert "twin" not in trial.user_attrs


def test_the_same_candidate_again_has_the_values_of_the_promoted_one() -> None:
    def evaluate(candidate: Candidate, report: Any) -> dict[str, float]:
        report(1, {"score": candidate.params["x"] % 10})
        return {"score": candidate.params["x"]}

    searching = Study(
        "again",
        ops.seq(ops.conv(choose(*range(1, 40), name="x"))),
        evaluate=evaluate,
        objectives=[maximize("score")],
        pruner=ParetoPromotionPruner(3, rungs=(1,)),
        sampler="random",
    )
    opened = searching.open(optuna.storages.InMemoryStorage())
    for x in (9, 11, 12):
        opened.enqueue_trial({"x": x})
    opened.optimize(searching.objective, n_trials=4)
    for x in (9, 11):
        opened.enqueue_trial({"x": x})
    opened.optimize(searching.objective, n_trials=2)
    promoted, best, paused = opened.trials[3:]
    assert promoted.user_attrs["promotes"] == 0
    assert best.user_attrs["twin"] == 3
    assert best.values == [9.0]
    assert paused.state == TrialState.PRUNED
    assert "the same as trial 1: paused at rung 1" in paused.user_attrs["reason"]
