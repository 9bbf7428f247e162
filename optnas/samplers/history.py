"""What the trials in the storage say: the whole state of every sampler here is a fold over them."""

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
from optnas.samplers.domain import Domain
from optnas.trials.directions import signs_of
from optnas.trials.internals import cached_trials
from optnas.trials.lineage import promotes
from optnas.trials.reader import Reader
from optnas.trials.record import HOPELESS, training_seconds
from optnas.trials.region import Region
from optnas.trials.rungs import rungs_of

__all__ = ["Fold", "History", "HistoryReader", "Observation", "follow", "in_order", "merged", "observed"]


@dataclasses.dataclass(frozen=True)
class Observation:
    """A trial that has been finished.

    Attributes:
        number: Of the trial.
        params: Its parameters, as far as they are of the domain.
        values: What it found, shape (objectives,), all to be minimised; NaN throughout where it was
            pruned or failed.
        violation: The sum of what it breaks constraints by; 0 where it breaks none.
        rungs: The values it had after so much training, to be minimised, by that, ascending.
        state: How it ended.
        ended: When, for those that follow the trials in the order in which they ended.
        promotes: The number of the paused trial that it went on with, if it did.
        hopeless: Whether it was pruned as it had learned nothing and would have come to no more.
        seconds: How long its evaluation took, where it is complete and that was recorded.
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
        """Whether it has values and breaks no constraint."""
        return self.state == TrialState.COMPLETE and self.violation == 0

    @property
    def reached(self) -> float | None:
        """After how much training it ended: infinite where it is complete, its last rung where it was
        pruned; ``None`` where it failed, broke a constraint or reached no rung."""
        if self.complete:
            return math.inf
        pruned = self.state == TrialState.PRUNED and self.violation == 0
        return max(self.rungs) if pruned and self.rungs else None


@dataclasses.dataclass(frozen=True)
class History:
    """All other trials of a study, in the order of their numbers.

    Attributes:
        finished: Those that ended, each with parameters of the domain.
        running: The parameters of those that others are at.
        seen: The keys of all of them.
        signs: 1 for each objective to be minimised, -1 for each to be maximised.
        region: Which values the study is about.
    """

    finished: tuple[Observation, ...]
    running: tuple[Mapping[str, Any], ...]
    seen: frozenset[Hashable]
    signs: NDArray[np.float64]
    region: Region = dataclasses.field(default_factory=Region)

    @property
    def objectives(self) -> int:
        """How many objectives the study has."""
        return len(self.signs)

    def best_first(self, values: NDArray[np.float64]) -> list[int]:
        """Return the indices of values, shape (trials, objectives), the best first.

        In the order of NSGA-II; what is of no use to the study, given these values, comes last.
        """
        return list(pareto.best_first(values, self.worst(values))) if len(values) else []

    def worst(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the worst value of each objective that is of use, given some; NaN where all are."""
        return self.region.worst(np.where(np.isnan(values), np.inf, values).min(axis=0), self.signs)

    def front(self) -> list[int]:
        """Return which of :attr:`complete` no other dominates: those of use, if there are any."""
        values = self.values
        if not len(values):
            return []
        front = pareto.front(values)
        of_use = front[~(values[front] > self.worst(values)).any(axis=1)]
        return list(of_use if len(of_use) else front)

    @property
    def ended(self) -> list[Observation]:
        """Those of :attr:`finished` in the order in which they ended."""
        return sorted(self.finished, key=lambda observation: (observation.ended, observation.number))

    @property
    def complete(self) -> list[Observation]:
        """Those of :attr:`finished` that have values and break no constraint."""
        return [observation for observation in self.finished if observation.complete]

    @property
    def values(self) -> NDArray[np.float64]:
        """The values of :attr:`complete`, shape (trials, objectives), to be minimised."""
        return np.array([o.values for o in self.complete]).reshape(-1, self.objectives)


def in_order(observations: Iterable[Observation], history: History) -> list[Observation]:
    """Return those of ``history``'s trials that tell how good they are, the best first.

    Complete ones in its order, then those that were pruned at the last rung in the same order by what
    they had there, then those of the rung before, and so on: each is compared with those that were
    trained as much.
    """
    groups: dict[float, list[Observation]] = {}
    for observation in observations:
        if observation.reached is not None:
            groups.setdefault(observation.reached, []).append(observation)
    ordered: list[Observation] = []
    for reached, group in sorted(groups.items(), reverse=True):
        values = np.array([o.values if reached == math.inf else o.rungs[int(reached)] for o in group])
        values[np.isnan(values)] = np.inf  # what is not a number is worse than everything
        ordered += [group[i] for i in history.best_first(values)]
    return ordered


def merged(observations: Iterable[Observation]) -> list[Observation]:
    """Return each trial that went on with a paused one as one with it: its rungs are those of both.

    What a paused trial would have come to need not be guessed once another has gone on with it.
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
    """Reads the history of a study again and again; what a finished trial said is kept."""

    def __init__(self) -> None:
        self._domain: Domain | None = None
        self._reader: Reader[_Seen]

    def read(self, study: Study, domain: Domain, number: int) -> History:
        """Return what the trials other than number ``number`` say."""
        if domain is not self._domain:
            self._domain, self._reader = (
                domain,
                Reader(lambda study: _Seen(domain, signs_of(study)), _Seen.take),
            )
        found = self._reader.read(study, cached_trials(study))
        ended = [found.ended[other] for other in sorted(found.ended.keys() - {number})]
        running = [found.running[other] for other in sorted(found.running.keys() - {number})]
        seen = {key for _, key in ended} | {domain.key(params) for params in running}
        finished = tuple(observation for observation, _ in ended)
        return History(finished, tuple(running), frozenset(seen), found.signs, domain.region)


@dataclasses.dataclass
class _Seen:
    """What the trials so far said: each that ended with its key, and the parameters of each that runs."""

    domain: Domain
    signs: NDArray[np.float64]
    ended: dict[int, tuple[Observation, Hashable]] = dataclasses.field(default_factory=dict)
    running: dict[int, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def take(self, trial: FrozenTrial) -> None:
        """Take in a trial that has parameters of the domain."""
        self.running.pop(trial.number, None)
        if trial.state.is_finished():
            observation = observed(trial, self.domain, self.signs)
            if observation.params:
                self.ended[trial.number] = observation, self.domain.key_of(trial)
        elif trial.state == TrialState.RUNNING and trial.params:
            self.running[trial.number] = _of_domain(trial, self.domain)


class Fold(Protocol):
    """A state that trials lead to, one after the other.

    Attributes:
        domain: What is searched.
        folded: The numbers of the trials so far.
    """

    domain: Domain
    folded: list[int]

    def fold(self, observation: Observation) -> None:
        """Take in how a trial ended."""


_Fold = TypeVar("_Fold", bound=Fold)


def follow(state: _Fold | None, begin: Callable[[Domain], _Fold], domain: Domain, history: History) -> _Fold:
    """Return the state after all trials that ended, in that order.

    Args:
        state: An earlier one, which is gone on from where it can be.
        begin: Returns the state before any trial.
        domain: What is searched.
        history: What the trials say.
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
    """Return what a trial says, in the terms of samplers."""
    values = np.full(len(signs), math.nan)
    if trial.state == TrialState.COMPLETE and trial.values is not None:
        values = np.array(trial.values) * signs
    rungs = {
        rung: np.array(found) * signs for rung, found in rungs_of(trial).items() if len(found) == len(signs)
    }
    violation = sum(max(0.0, broken) for broken in trial.constraints.values())
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
    known = domain.distributions
    return {name: value for name, value in trial.params.items() if name in known}
