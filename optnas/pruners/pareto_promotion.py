"""Asynchronous successive halving that pauses trials and promotes them later."""

from __future__ import annotations

from functools import cached_property

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from optnas.pareto.ranking import Ranking
from optnas.pruners.pareto_halving import ParetoHalvingPruner
from optnas.pruners.standings import ONE_AT_A_TIME
from optnas.samplers.generations import count_as_proposed
from optnas.storages.deferred import write_collected
from optnas.trials.lineage import lineage, paused_at, promotes
from optnas.trials.optuna_internals import fix_params, fixed_params, frozen
from optnas.trials.reader import Reader
from optnas.trials.record import FROM, PAUSED, PROMOTES
from optnas.trials.rungs import rungs_of

__all__ = ["ParetoPromotionPruner", "promote"]


class ParetoPromotionPruner(ParetoHalvingPruner):
    """Pruner that pauses a trial at a rung until it is among the rung's best 1/η and is resumed.

    Asynchronous successive halving in its published form (Li et al. 2020, arXiv 1810.05934, algorithm 2),
    in the order of :class:`ParetoHalvingPruner`: by non-domination rank, then by hypervolume contribution.
    A trial that reaches a rung continues at once if it is on the rung's front or among its best 1/η; else
    it is paused. A free worker looks from the top rung down for a paused trial that has since come among
    the best 1/η and was not promoted, and resumes it; it begins a new trial only if there is none. The
    stopping form must let early trials through for want of comparison; this one makes them wait and loses
    nothing. Its price is the storage of every paused trial's weights and optimiser state.

    In Optuna a pruned trial is finished for good, and a paused trial is stored as a pruned one: samplers
    and dashboard can handle it, and it outlasts a run, so that a larger one can resume it. The trial that
    resumes it is a new one with the same parameters, whose record names the trial that it ``promotes``; the
    values of each rung are in the record of the trial that reached it. (If the paused trial stayed running
    or waiting, samplers would ignore it, any ``study.ask`` would take it up, and no run would end.) So a
    promotion counts as a trial of the study; as most trials that continue do so at once, it is one in ten.

    :attr:`optnas.Study.objective` begins with promotions, and so does any other objective that calls
    :func:`promote` first. A promoted trial resumes from its last checkpoint if ``Study(artifacts=…)`` keeps
    those; a study's own ``evaluate`` is called anew, with the seed that the candidate had, and its reports
    up to the rung where it was paused are ignored.

    Args:
        reduction_factor: As in :class:`ParetoHalvingPruner`, as are the following ones.
        min_resource: The first rung.
        max_resource: The step at which a trial is fully trained.
        rungs: The rungs, in place of those of ``min_resource`` and ``reduction_factor``.
        warmup: Number of trials that a rung must have before any continues from there: by default η, so
            that the first arrivals are treated the same whatever their order.

    Raises:
        ValueError: If an argument is out of its range.
    """

    @cached_property
    def _waiting(self) -> Reader[_Waiting]:
        return Reader(lambda study: _Waiting(), self._take_waiting)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether ``trial`` is to pause; if so, record the step at which it does."""
        rung = self.decides_at(trial)
        if rung is None:
            return False
        with ONE_AT_A_TIME:
            if self._goes_on(self._standings.read(study)[rung], trial.number, rung):
                return False
        PAUSED.put_in(study, trial, max(rungs_of(trial)))
        return True

    def promotable(self, study: Study) -> FrozenTrial | None:
        """Return the paused trial to resume first; ``None`` if there is none to resume.

        It is one of the highest rung that has any; of several the one of the lowest rank, of those the
        oldest.
        """
        with ONE_AT_A_TIME:
            waiting = self._waiting.read(study, study.get_trials(deepcopy=False)).by_rung()
            rankings = self._standings.read(study) if waiting else {}
            for rung in sorted(waiting.keys() & rankings.keys(), reverse=True):
                ranks = rankings[rung].ranks()
                there = [trial for trial in waiting[rung] if trial.number in ranks]
                best = min((ranks[trial.number] for trial in there), default=None)
                # If no trial of the best rank is promoted, no trial of another rank is.
                for trial in there:
                    if ranks[trial.number] == best and self._goes_on(rankings[rung], trial.number, rung):
                        return trial
        return None

    def decides_at(self, trial: FrozenTrial) -> int | None:
        """Return the new rung of ``trial``'s last report; ``None`` without one or where it resumed."""
        rung = super().decides_at(trial)
        return None if rung == self._left(trial) else rung

    def _at_rungs(self, trial: FrozenTrial) -> dict[int, list[float]]:
        found = super()._at_rungs(trial)
        return {rung: values for rung, values in found.items() if rung != self._left(trial)}

    def _left(self, trial: FrozenTrial) -> int | None:
        """Return the rung that ``trial`` resumed from; ``None`` if it resumed no paused trial."""
        return self.rung_at(FROM.get(trial, 0))

    def _take_waiting(self, waiting: _Waiting, trial: FrozenTrial) -> None:
        waiting.take(trial, self.rung_at(paused_at(trial) or 0))

    def _goes_on(self, ranking: Ranking, number: int, rung: int) -> bool:
        return len(ranking) >= self.warmup and self.is_among_best(ranking, number, rung)


class _Waiting:
    """Paused trials of a study, and which of them other trials resume."""

    def __init__(self) -> None:
        self._paused: dict[int, dict[int, FrozenTrial]] = {}
        self._promoted_by: dict[int, int] = {}

    def take(self, trial: FrozenTrial, rung: int | None) -> None:
        """Add a trial; ``rung`` is where it was paused, ``None`` if it was not."""
        paused = promotes(trial)
        # A running trial withdraws its claim if another trial has the same.
        if paused is None:
            self._promoted_by.pop(trial.number, None)
        else:
            self._promoted_by[trial.number] = paused
        if rung is not None and trial.state == TrialState.PRUNED:
            self._paused.setdefault(rung, {})[trial.number] = trial

    def by_rung(self) -> dict[int, list[FrozenTrial]]:
        """Return the paused trials that none resumes, by rung, the oldest first."""
        promoted = set(self._promoted_by.values())
        waiting = {}
        for rung, paused in self._paused.items():
            if left := [paused[number] for number in sorted(paused.keys() - promoted)]:
                waiting[rung] = left
        return waiting


def promote(trial: Trial) -> FrozenTrial | None:
    """Let ``trial`` resume a paused trial, if one is to be promoted now.

    To be called before anything is suggested. ``trial`` then has the parameters of the paused one
    (``suggest_…`` returns them), and its reports are to begin above the rung where that one was paused.
    It first records its claim and then looks whether another worker's trial has the same claim, in which
    case it withdraws: so no trial is promoted twice, with any storage and no lock.

    Returns:
        The paused trial; ``None`` if ``trial`` is to be a new one. It is always ``None`` if the study's
        pruner is no :class:`ParetoPromotionPruner`, and for enqueued trials.
    """
    study, own = trial.study, frozen(trial)
    number = promotes(own)  # already set if an earlier worker of this trial died
    if number is not None and own.params:
        return lineage(study, own)[1]
    if number is None:
        if not isinstance(study.pruner, ParetoPromotionPruner) or own.params or fixed_params(trial):
            return None
        paused = study.pruner.promotable(study)
        if paused is None:
            return None
        number = paused.number
        PROMOTES.put(trial, number)
        write_collected(trial)
    trials = study.get_trials(deepcopy=False)
    claims = [other for other in trials if promotes(other) == number]
    if any(other.number != own.number and other.state != TrialState.FAIL for other in claims):
        PROMOTES.put(trial, None)
        write_collected(trial)
        return None
    _fix(trial, trials[number])
    return trials[number]


def _fix(trial: Trial, paused: FrozenTrial) -> None:
    """Fix all parameters of ``trial`` to those of ``paused``, as ``study.enqueue_trial`` does."""
    FROM.put(trial, paused_at(paused))
    fix_params(trial, paused.params)
    count_as_proposed(trial.study.sampler, trial.study, frozen(trial))
