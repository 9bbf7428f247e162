"""Asynchronous successive halving that pauses trials and promotes them later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from optnas.pruners.pareto_halving import ParetoHalvingPruner
from optnas.pruners.rungs import rungs_of
from optnas.pruners.standings import ONE_AT_A_TIME
from optnas.ranking import Ranking

__all__ = ["ParetoPromotionPruner", "lineage", "paused_at", "promote", "promoted", "promoted_by"]

# Of a trial that waits: after how much training. Of one that goes on with it: the number of the first.
_PAUSED, _PROMOTES = "paused", "promotes"
# Of one that goes on with another, for programs alone: after how much training that one waited.
_FROM = "optnas:from"


class ParetoPromotionPruner(ParetoHalvingPruner):
    """Pauses a trial at a rung until it is among the rung's best 1/η, and then lets it go on.

    Asynchronous successive halving in the form in which it was published (Li et al. 2020, arXiv
    1810.05934, algorithm 2), in the order of :class:`ParetoHalvingPruner`: by non-domination rank, then by
    hypervolume contribution. A trial that reaches a rung goes on at once if it is on the rung's front or
    among its best 1/η; else it is paused. Whoever is free looks from the top rung down for a
    paused trial that has since come among the best 1/η and was not promoted, and goes on with it; only
    where there is none does it begin a new one. Where the stopping form must let early trials through
    for want of comparison, this one makes them wait and loses nothing. It pays with what is kept
    of every paused trial: weights and optimiser state.

    In Optuna a trial that was pruned is finished for good, and that is what a paused one is: samplers and
    dashboard know how to take it, and it waits beyond the end of a run, for a larger one. What goes on
    with it is a new trial of the same parameters, whose record says whom it ``promotes``; the values of
    each rung are in the record of the trial that reached it. (Had the paused trial stayed running or
    waiting, samplers would be blind to it, any ``study.ask`` would take it up, and no run would end.) So a
    promotion counts as a trial of the study; as most that go on do so at once, it is one trial in ten.

    Promotions are what :attr:`optnas.Study.objective` begins with, and anyone's own objective that calls
    :func:`promote` first. It goes on from its last checkpoint where ``Study(artifacts=…)`` keeps those; a
    study's own ``evaluate`` is called anew, with the seed that the candidate had, and what it reports
    up to the rung where it was paused is passed over.

    Args:
        reduction_factor: As in :class:`ParetoHalvingPruner`, as are the following ones.
        min_resource: The first rung.
        max_resource: What a trial is trained in full.
        rungs: The rungs, in place of those of ``min_resource`` and ``reduction_factor``.
        warmup: How many trials a rung must have before any goes on from there: by default η, so that
            the first arrivals are treated the same whatever their order.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        reduction_factor: int = 3,
        *,
        min_resource: int = 1,
        max_resource: int | None = None,
        rungs: Sequence[int] | None = None,
        warmup: int | None = None,
    ) -> None:
        super().__init__(
            reduction_factor,
            min_resource=min_resource,
            max_resource=max_resource,
            rungs=rungs,
            warmup=warmup,
        )
        self._waiting = _Waiting(self.rung_at)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether ``trial`` is to pause; its record says so then, after how much training."""
        rung = self.decides_at(trial)
        if rung is None:
            return False
        with ONE_AT_A_TIME:
            if self._goes_on(self._standings.read(study)[rung], trial.number, rung):
                return False
        study._storage.set_trial_user_attr(trial._trial_id, _PAUSED, max(rungs_of(trial)))
        return True

    def promotable(self, study: Study) -> FrozenTrial | None:
        """Return the paused trial that is to go on first; none where all are to wait.

        From the highest rung where there is one; of several the one of the lowest rank, of those the
        oldest.
        """
        with ONE_AT_A_TIME:
            waiting = self._waiting.read(study)
            rankings = self._standings.read(study) if waiting else {}
            for rung in sorted(waiting.keys() & rankings.keys(), reverse=True):
                ranks = rankings[rung].ranks()
                there = [trial for trial in waiting[rung] if trial.number in ranks]
                best = min((ranks[trial.number] for trial in there), default=None)
                # Where none of the best rank goes on, none of another does.
                for trial in there:
                    if ranks[trial.number] == best and self._goes_on(rankings[rung], trial.number, rung):
                        return trial
        return None

    def decides_at(self, trial: FrozenTrial) -> int | None:
        """Return the rung that ``trial`` reached with its last report, other than the one it came from."""
        rung = super().decides_at(trial)
        return None if rung == self._left(trial) else rung

    def _at_rungs(self, trial: FrozenTrial) -> dict[int, list[float]]:
        found = super()._at_rungs(trial)
        return {rung: values for rung, values in found.items() if rung != self._left(trial)}

    def _left(self, trial: FrozenTrial) -> int | None:
        """Return the rung where the paused trial is that ``trial`` goes on with."""
        return self.rung_at(trial.system_attrs.get(_FROM, 0))

    def _goes_on(self, ranking: Ranking, number: int, rung: int) -> bool:
        return len(ranking) >= self.warmup and self.is_among_best(ranking, number, rung)


class _Waiting:
    """The paused trials of a study that were not promoted, by rung.

    A fold over the trials in the storage, of which those that ended are looked at only once.
    """

    def __init__(self, rung_at: Callable[[int], int | None]) -> None:
        self._rung_at = rung_at
        self._study: tuple[Any, int] | None = None
        self._looked = 0
        self._open: list[int] = []
        self._promoted: set[int] = set()
        self._paused: dict[int, dict[int, FrozenTrial]] = {}

    def read(self, study: Study) -> dict[int, list[FrozenTrial]]:
        """Return those of each rung where there are any, the oldest first."""
        here = study._storage, study._study_id
        if self._study != here:
            self._study, self._looked, self._open, self._promoted, self._paused = here, 0, [], set(), {}
        trials = study.get_trials(deepcopy=False)
        looked_at = [*self._open, *range(self._looked, len(trials))]
        self._looked, self._open = len(trials), []
        going = set()
        for number in looked_at:
            going.add(promoted(trials[number]))
            if trials[number].state.is_finished():
                self._settle(trials[number])
            else:
                self._open.append(number)
        waiting = {}
        for rung, paused in self._paused.items():
            for number in self._promoted & paused.keys():
                del paused[number]
            waiting[rung] = [trial for number, trial in paused.items() if number not in going]
        return {rung: trials for rung, trials in waiting.items() if trials}

    def _settle(self, trial: FrozenTrial) -> None:
        number = promoted(trial)
        if number is not None:
            self._promoted.add(number)
        rung = self._rung_at(paused_at(trial) or 0)
        if rung is not None and trial.state == TrialState.PRUNED:
            self._paused.setdefault(rung, {})[trial.number] = trial


def promote(trial: Trial) -> FrozenTrial | None:
    """Let ``trial`` go on with a paused one, where one is to go on now.

    To be called before anything is suggested. ``trial`` then has the parameters of the paused one
    (``suggest_…`` returns them), and what it reports is to begin above the rung where that one is.
    It says that it goes on with it and then looks whether another worker says so too, in which case it
    does not: so no trial is promoted twice, with any storage and no lock.

    Returns:
        The paused trial; none where ``trial`` is to be a new one. That is always so where the study's
        pruner is no :class:`ParetoPromotionPruner`, and for trials that someone enqueued.
    """
    study, own = trial.study, trial._cached_frozen_trial
    number = promoted(own)  # of a trial whose worker died
    if number is not None and own.params:
        return lineage(study, own)[1]
    if number is None:
        if not isinstance(study.pruner, ParetoPromotionPruner) or own.params or trial._fixed_params:
            return None
        paused = study.pruner.promotable(study)
        if paused is None:
            return None
        number = paused.number
        trial.set_user_attr(_PROMOTES, number)
    trials = study.get_trials(deepcopy=False)
    claims = [other for other in trials if promoted(other) == number]
    if any(other.number != own.number and other.state != TrialState.FAIL for other in claims):
        trial.set_user_attr(_PROMOTES, None)
        return None
    _fix(trial, trials[number])
    return trials[number]


def _fix(trial: Trial, paused: FrozenTrial) -> None:
    """Let all parameters of ``trial`` be those of ``paused``, as ``study.enqueue_trial`` does."""
    trial.storage.set_trial_system_attr(trial._trial_id, _FROM, paused_at(paused))
    trial.storage.set_trial_system_attr(trial._trial_id, "fixed_params", paused.params)
    trial._fixed_params = paused.params
    # NSGA-II looks for parents among the trials of a generation, which it gives to those it proposes.
    sampler = trial.study.sampler
    while hasattr(sampler, "_sampler"):
        sampler = sampler._sampler
    if hasattr(sampler, "get_trial_generation"):
        sampler.get_trial_generation(trial.study, trial._cached_frozen_trial)


def paused_at(trial: FrozenTrial) -> int | None:
    """Return after how much training ``trial`` was paused; none where it was not, or has gone on since."""
    step: int | None = trial.user_attrs.get(_PAUSED)
    return step if step is None or step == max(rungs_of(trial), default=None) else None


def promoted(trial: FrozenTrial) -> int | None:
    """Return the number of the paused trial that ``trial`` goes on with; none where it is of its own."""
    number: int | None = trial.user_attrs.get(_PROMOTES)
    return number


def lineage(study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
    """Return ``trial``, the paused one that it promotes, the one that this one promotes, and so on."""
    line = [trial]
    while (number := promoted(line[-1])) is not None:
        line.append(study.get_trials(deepcopy=False)[number])
    return line


def promoted_by(study: Study, trial: FrozenTrial) -> int | None:
    """Return the number of the trial that goes on with ``trial``; none where it was not promoted."""
    trials = study.get_trials(deepcopy=False)
    return next((t.number for t in trials if promoted(t) == trial.number), None)
