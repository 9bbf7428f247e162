"""Finished and running trials of a study, as samplers see them.

The whole state of every sampler here is a fold over the finished trials.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optnas import pareto
from optnas.samplers.domain import Domain, fits
from optnas.trials.directions import signs_of
from optnas.trials.lineage import promotes
from optnas.trials.optuna_internals import cached_trials
from optnas.trials.reader import Reader
from optnas.trials.record import HOPELESS, constraints_of, training_seconds
from optnas.trials.region import Region
from optnas.trials.rungs import rungs_of

__all__ = [
    "Fold",
    "History",
    "HistoryReader",
    "Observation",
    "follow",
    "in_order",
    "merge_resumed",
    "observed",
]


@dataclasses.dataclass(frozen=True)
class Observation:
    """A finished trial, as samplers see it.

    Attributes:
        number: The trial's number.
        params: Those of its parameters that are in the search space.
        values: Its objective values, shape (objectives,), all to be minimised; NaN throughout if it was
            pruned or failed.
        violation: The sum of its constraint violations; 0 if it breaks none.
        rungs: Its values at each rung, to be minimised, ascending by rung.
        state: Its final state.
        ended: When it ended, for samplers that follow the trials in the order in which they ended.
        promotes: The number of the paused trial that it resumed; ``None`` if it resumed none.
        hopeless: Whether it was pruned because it had learned nothing; more training would not have helped.
        seconds: Duration of its evaluation; ``None`` if it is not complete or that was not recorded.
    """

    number: int
    params: Mapping[str, Any]
    values: NDArray[np.float64]
    violation: float
    rungs: Mapping[int, NDArray[np.float64]]
    state: TrialState
    ended: datetime.datetime
    promotes: int | None = None
    hopeless: bool = False
    seconds: float | None = None

    @property
    def complete(self) -> bool:
        """Whether the trial is complete and breaks no constraint."""
        return self.state == TrialState.COMPLETE and self.violation == 0

    @property
    def reached(self) -> float | None:
        """Amount of training after which it ended: infinite if complete, its last rung if it was pruned.

        ``None`` if it failed, broke a constraint or reached no rung.
        """
        if self.complete:
            return math.inf
        pruned = self.state == TrialState.PRUNED and self.violation == 0
        return max(self.rungs) if pruned and self.rungs else None


@dataclasses.dataclass(frozen=True)
class History:
    """All other trials of a study, in the order of their numbers.

    Attributes:
        finished: The finished trials that have parameters of the search space.
        running: The parameters of each running trial.
        seen: The keys of the candidates of all these trials.
        signs: 1 for each objective to be minimised, -1 for each to be maximised.
        region: The study's region of interest among objective values.
    """

    finished: tuple[Observation, ...]
    running: tuple[Mapping[str, Any], ...]
    seen: frozenset[Hashable]
    signs: NDArray[np.float64]
    region: Region = dataclasses.field(default_factory=Region)

    def with_running(self, params: Mapping[str, Any], key: Hashable) -> History:
        """Return this history with one more running trial, of a candidate with that key."""
        return dataclasses.replace(self, running=(*self.running, params), seen=self.seen | {key})

    @property
    def objectives(self) -> int:
        """The number of objectives of the study."""
        return len(self.signs)

    def best_first(self, values: NDArray[np.float64]) -> list[int]:
        """Return the indices of ``values``, shape (trials, objectives), sorted best first.

        The order is that of NSGA-II; values outside the region of interest that follows from them come last.
        """
        return list(pareto.best_first(values, self.worst(values))) if len(values) else []

    def worst(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the worst value of each objective inside the region of interest; NaN where unbounded."""
        return self.region.worst(np.where(np.isnan(values), np.inf, values).min(axis=0), self.signs)

    def front(self) -> list[int]:
        """Return the indices of the trials of :attr:`complete` that no other dominates.

        Only those inside the region of interest, if there are any.
        """
        values = self.values
        if not len(values):
            return []
        front = pareto.front(values)
        of_use = front[~(values[front] > self.worst(values)).any(axis=1)]
        return list(of_use if len(of_use) else front)

    @property
    def ended(self) -> list[Observation]:
        """The trials of :attr:`finished` in the order in which they ended."""
        return sorted(self.finished, key=lambda observation: (observation.ended, observation.number))

    @property
    def complete(self) -> list[Observation]:
        """The trials of :attr:`finished` that are complete and break no constraint."""
        return [observation for observation in self.finished if observation.complete]

    @property
    def values(self) -> NDArray[np.float64]:
        """The values of :attr:`complete`, shape (trials, objectives), to be minimised."""
        return np.array([o.values for o in self.complete]).reshape(-1, self.objectives)


def in_order(observations: Iterable[Observation], history: History) -> list[Observation]:
    """Return the feasible ones of ``observations`` that completed or reached a rung, sorted best first.

    Complete trials come first, in the order of ``history``. Then come those pruned at the last rung, in the
    same order by their values there, then those of the rung before, and so on: each is compared with
    trials of the same amount of training.
    """
    groups: dict[float, list[Observation]] = {}
    for observation in observations:
        if observation.reached is not None:
            groups.setdefault(observation.reached, []).append(observation)
    ordered: list[Observation] = []
    for reached, group in sorted(groups.items(), reverse=True):
        values = np.array([o.values if reached == math.inf else o.rungs[int(reached)] for o in group])
        values[np.isnan(values)] = np.inf  # NaN is worse than everything
        ordered += [group[i] for i in history.best_first(values)]
    return ordered


def merge_resumed(observations: Iterable[Observation]) -> list[Observation]:
    """Return the trials, each paused one merged into the trial that resumed it.

    The merged trial has the rungs of both: the final values of a paused trial need not be predicted once
    another trial has resumed it.
    """
    observations = list(observations)
    by_number = {observation.number: observation for observation in observations}
    lines, earlier = [], set()
    for observation in observations:
        rungs, paused = dict(observation.rungs), observation.promotes
        while paused in by_number and observation.state != TrialState.FAIL:
            earlier.add(paused)
            rungs = {**by_number[paused].rungs, **rungs}
            paused = by_number[paused].promotes
        lines.append(dataclasses.replace(observation, rungs=rungs))
    return [observation for observation in lines if observation.number not in earlier]


class HistoryReader:
    """Incremental reader of a study's history; finished trials are parsed only once."""

    def __init__(self) -> None:
        self._domain: Domain | None = None
        self._reader: Reader[_Seen]
        self._seen: _Seen

    def read(self, study: Study, domain: Domain, number: int) -> History:
        """Return the history of all trials other than number ``number``."""
        if domain is not self._domain:
            self._domain = domain
            self._reader = Reader(lambda study: _Seen(domain, signs_of(study)), _Seen.take)
        found = self._seen = self._reader.read(study, cached_trials(study))
        ended = [found.ended[other] for other in sorted(found.ended.keys() - {number})]
        running = [found.running[other] for other in sorted(found.running.keys() - {number})]
        seen = {key for _, key in ended} | {domain.key(params) for params in running}
        finished = tuple(observation for observation, _ in ended)
        return History(finished, tuple(running), frozenset(seen), found.signs, domain.region)

    def undecided(self, number: int) -> list[int]:
        """Return the numbers below ``number`` of running trials without parameters: others propose them now.

        As of the last call of :meth:`read`.
        """
        return sorted(other for other in self._seen.undecided - self._seen.running.keys() if other < number)

    def proposed(self, number: int, params: Mapping[str, Any]) -> None:
        """Count a proposal for trial ``number`` as running from now on, before others can read it.

        It is what the last call of :meth:`read` was for.
        """
        self._seen.running[number] = params


@dataclasses.dataclass
class _Seen:
    """Trials read so far: each finished one with its key, and the parameters of each running one.

    Those of a running one that has none yet are what this process proposed for it. ``undecided`` are the
    numbers of all that have none yet.
    """

    domain: Domain
    signs: NDArray[np.float64]
    ended: dict[int, tuple[Observation, Hashable]] = dataclasses.field(default_factory=dict)
    running: dict[int, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    undecided: set[int] = dataclasses.field(default_factory=set)

    def take(self, trial: FrozenTrial) -> None:
        """Add or update a trial; it is ignored if it has no parameter of the search space."""
        self.undecided.discard(trial.number)
        if trial.state != TrialState.RUNNING:
            self.running.pop(trial.number, None)
        if trial.state.is_finished():
            observation = observed(trial, self.domain, self.signs)
            if observation.params:
                self.ended[trial.number] = observation, self.domain.key_of(trial)
        elif trial.state == TrialState.RUNNING and trial.params:
            self.running[trial.number] = _of_domain(trial, self.domain)
        elif trial.state == TrialState.RUNNING:
            self.undecided.add(trial.number)


class Fold(Protocol):
    """State that is updated by one finished trial after another.

    Attributes:
        domain: The search space.
        folded: The numbers of the trials so far.
    """

    domain: Domain
    folded: list[int]

    def fold(self, observation: Observation) -> None:
        """Update the state with a finished trial."""


_Fold = TypeVar("_Fold", bound=Fold)


def follow(state: _Fold | None, begin: Callable[[Domain], _Fold], domain: Domain, history: History) -> _Fold:
    """Return the state after all finished trials, in the order in which they ended.

    Args:
        state: An earlier state, which is continued if its trials are the first of these.
        begin: Returns the state before any trial.
        domain: The search space.
        history: The history that holds the trials.
    """
    ended = history.ended
    numbers = [observation.number for observation in ended]
    if state is None or state.domain is not domain or state.folded != numbers[: len(state.folded)]:
        state = begin(domain)
    for observation in ended[len(state.folded) :]:
        state.folded.append(observation.number)
        state.fold(observation)
    return state


def observed(trial: FrozenTrial, domain: Domain, signs: NDArray[np.float64]) -> Observation:
    """Convert a trial to an observation."""
    values = np.full(len(signs), math.nan)
    if trial.state == TrialState.COMPLETE and trial.values is not None:
        values = np.array(trial.values) * signs
    rungs = {
        rung: np.array(found) * signs for rung, found in rungs_of(trial).items() if len(found) == len(signs)
    }
    violation = sum(max(0.0, broken) for broken in constraints_of(trial).values())
    ended = trial.datetime_complete or datetime.datetime.max
    params = _of_domain(trial, domain)
    return Observation(
        number=trial.number,
        params=params,
        values=values,
        violation=violation,
        rungs=rungs,
        state=trial.state,
        ended=ended,
        promotes=promotes(trial),
        hopeless=bool(HOPELESS.of(trial)),
        seconds=training_seconds(trial),
    )


def _of_domain(trial: FrozenTrial, domain: Domain) -> dict[str, Any]:
    """Return the trial's parameters that the domain has; one added by hand may have others."""
    known = domain.distributions
    return {name: value for name, value in trial.params.items() if name in known and fits(known[name], value)}
