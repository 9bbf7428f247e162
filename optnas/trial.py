"""Run one trial: suggest, check, train, report, prune.

:func:`run` names the steps in their order; :class:`TrialRun` has each of them as a method. Whatever ends the
trial early leaves its reason in words in the trial's record.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property, partial

import torch
from optuna import TrialPruned
from optuna.trial import FrozenTrial, Trial, TrialState
from torch import nn

from optnas.candidate import Candidate
from optnas.checkpoints.resume import Resumption
from optnas.checkpoints.state import State
from optnas.declaration import Declaration
from optnas.interrupts import stopping
from optnas.objectives import as_numbers, require
from optnas.pruners import promote
from optnas.shared_code import shared_code
from optnas.space import OpError, SpaceError
from optnas.space.own_ops import own_ops
from optnas.storages.deferred import at_once, deciding, write_collected
from optnas.study_record import check_takes, refused_by_optuna_explained
from optnas.train import Diverged, default_device, fit, lanes
from optnas.train.device import forked_random
from optnas.train.device_share import Place, place_on
from optnas.train.loop import WrongState
from optnas.train.micro_batches import OutOfMemory, in_pieces
from optnas.trial_ending import reason_recorded
from optnas.trial_failure import mistake_of
from optnas.trial_inheriting import handed_down
from optnas.trial_measuring import infinite, measured_costs, measured_derivatives, record_learned
from optnas.trial_reports import Paused, Reports
from optnas.trial_twin import finished_twin
from optnas.trials.enqueued import record_ignored
from optnas.trials.optuna_internals import constrain, fix_params, fixed_params, frozen
from optnas.trials.record import (
    ARCHITECTURE,
    BROKE,
    BUILDABLE,
    COSTS,
    EAGER,
    HOPELESS,
    KEY,
    MEMORY,
    METRICS,
    OPS,
    PIECES,
    REASON,
    RUN,
    TWIN,
    constraints_of,
)
from optnas.trials.rungs import whole_step
from optnas.trials.turns import turn
from optnas.trials.under_way import Stage, forget_stage, note_stage
from optnas.trials.volume import settle_axes

__all__ = ["run"]


def run(study: Declaration, trial: Trial) -> list[float]:
    """Evaluate one trial of ``study`` and return the objectives' values.

    A trial whose worker died, or that was put back, resumes at its last rung where the study keeps
    checkpoints, and so does one that promotes a paused trial. Nothing is reported twice. In several threads
    of one process trainings take turns, but in lanes (:mod:`optnas.train.lanes`) they run at once.

    Raises:
        TrialPruned: If the pruner stops or pauses it, a constraint is broken, the architecture cannot be
            built, the training diverges, or the same candidate was pruned before.
        UserError: If the Optuna study has other objectives, or the trial was enqueued with parameters that
            are none of the space. Nothing is trained then.
    """
    check_takes(study, trial.study)
    # A user-defined evaluation may wait for other machines, and its randomness is its own.
    whole = study.task is not None and not lanes.is_lane()
    with turn(trial) if whole else nullcontext(), deciding(trial):
        return _run(study, trial)


def _run(study: Declaration, trial: Trial) -> list[float]:
    promote(trial)
    this = TrialRun(study, trial)
    with reason_recorded(trial, this.remove_checkpoints):
        this.suggest()
        settle_axes(trial.study)
        this.stay_paused()
        twin = None if this.begun else finished_twin(study, trial, this.candidate.key)
        if twin is not None:
            return this.values_of(twin)
        with lanes.turn():  # an op of someone's own may be built for it
            this.count_costs()
        this.check_constraints()
        if study.measured:
            write_collected(trial)  # others know of it meanwhile
            with lanes.turn():
                this.measure_costs()
            this.check_constraints()
        this.evaluate()
        this.record_late_constraints()
        return this.values(this.metrics)


class TrialRun:
    """A trial of a study while it runs, and what is known of it so far.

    Attributes:
        candidate: What the trial decided, from :meth:`suggest` on; its costs from :meth:`count_costs` on.
        metrics: All that is known of it in the end, by name, from :meth:`evaluate` on.
    """

    candidate: Candidate
    metrics: dict[str, float]

    def __init__(self, study: Declaration, trial: Trial) -> None:
        self._study = study
        self._trial = trial
        self._before = Resumption(trial, study.store, partial(write_collected, trial))
        self._reports = Reports(trial, self._before.steps)

    @property
    def begun(self) -> bool:
        """Whether the candidate was trained before, in this trial or in the paused one that it resumes."""
        return self._before.begun

    def remove_checkpoints(self) -> None:
        """Remove what the trial would resume from."""
        self._before.remove()

    # The steps, in their order.

    def suggest(self) -> None:
        """Let the sampler decide what was not enqueued, and record what it decided.

        Raises:
            UserError: If an enqueued parameter is none of the space, or its value is outside.
        """
        started = time.perf_counter()
        enqueued = fixed_params(self._trial)
        checked = self._study.check_params(enqueued)
        if repr(checked) != repr(enqueued):
            fix_params(self._trial, checked)
        optuna_study = self._trial.study
        with refused_by_optuna_explained(self._study, optuna_study), shared_code(optuna_study.sampler):
            candidate = self._study.suggest(self._trial)
        self._suggest_seconds = round(time.perf_counter() - started, 4)
        # A trial that resumes another one is trained with that one's seed.
        self.candidate = dataclasses.replace(candidate, seed=self._study.seed + self._before.number)
        if self._before.key not in (None, candidate.key):
            self._before.discard()
        ARCHITECTURE.put(self._trial, str(candidate.architecture))
        KEY.put(self._trial, candidate.key)
        ops = {**own_ops(candidate.architecture), **candidate.training.own_functions}
        if ops:
            OPS.put(self._trial, ops)
        record_ignored(self._trial, checked, candidate.params)

    def stay_paused(self) -> None:
        """End a trial that its worker paused, and died before it could end it.

        Raises:
            Paused: If it is one.
        """
        if self._before.paused is not None:
            raise Paused(self._before.paused)

    def values_of(self, twin: FrozenTrial) -> list[float]:
        """Record and return what the twin found: no candidate is trained twice.

        Raises:
            TrialPruned: If the twin was pruned.
        """
        TWIN.put(self._trial, twin.number)
        for attribute in (COSTS, METRICS):
            found = attribute.of(twin)
            if found is not None:
                attribute.put(self._trial, found)
        for name, violation in constraints_of(twin).items():
            constrain(self._trial, name, violation)
        if twin.state == TrialState.PRUNED:
            if HOPELESS.of(twin):
                HOPELESS.put(self._trial, True)
            raise TrialPruned(f"the same as trial {twin.number}: {REASON.get(twin, 'pruned')}")
        return list(twin.values)

    def count_costs(self) -> None:
        """Find what is known exactly from the tree.

        Raises:
            TrialPruned: If the architecture cannot be built.
        """
        try:
            costs = as_numbers(self._study.costs(self.candidate))
        except OpError as error:
            raise mistake_of(error) from None
        except SpaceError as error:
            raise self._infeasible(error) from error
        if costs:
            COSTS.put(self._trial, costs)
        self.candidate = dataclasses.replace(self.candidate, costs=costs)

    def check_constraints(self) -> None:
        """Record by how much each constraint on the costs known so far is broken.

        Raises:
            TrialPruned: If one is.
        """
        costs, broken = self.candidate.costs, []
        for limit in (*self._study.constraints, *self._study.bounds):
            # A function may look at any of them, so it waits for all.
            needs = self._study.measured if limit.needs is None else limit.needs
            if not costs.keys() >= set(needs):
                continue
            violation = limit.violation(self.candidate if limit.needs is None else costs)
            constrain(self._trial, limit.name, violation)
            if violation > 0:
                found = ", ".join(f"{name} = {costs[name]:,}" for name in sorted(limit.needs or ()))
                broken.append(
                    f"breaks {limit.name!r} " + (f"with {found}" if found else f"by {violation:.4g}")
                )
        if broken:
            raise TrialPruned("; ".join(broken))

    def measure_costs(self) -> None:
        """Measure what only the built network can tell, and how far it is from those before."""
        costs = measured_costs(self._study, self._trial, self.candidate, self._before.costs, self._build)
        COSTS.put(self._trial, costs)
        self.candidate = dataclasses.replace(self.candidate, costs=costs)

    def evaluate(self) -> None:
        """Train and validate the network, or call the study's own ``evaluate``; report at the rungs.

        Raises:
            TrialPruned: If the pruner stops it, or the network does not fit in memory.
            Paused: If the pruner pauses it.
            Diverged: If the training's loss is no longer finite.
            Hopeless: If nothing is learned.
        """
        found = self._before.metrics
        if found is None:
            try:
                found = self._evaluated_by_user() if self._study.evaluate is not None else self._trained()
            finally:
                forget_stage(self._trial)
            found = {"seconds": round(self._spent(), 4), **found}
            self._reports.write()
            METRICS.put(self._trial, found)
        self.metrics = {**self.candidate.costs, **found}

    def record_late_constraints(self) -> None:
        """Record constraints on what only training could tell; the trial keeps its values."""
        for limit in self._study.constraints:
            if limit.needs is not None and limit.name not in constraints_of(frozen(self._trial)):
                require(self.metrics, limit.needs, repr(limit.name))
                constrain(self._trial, limit.name, limit.violation(self.metrics))

    def values(self, metrics: Mapping[str, float]) -> list[float]:
        """Return the objectives' values.

        Raises:
            LookupError: If a metric that an objective needs was not measured.
            Diverged: If a value is infinite or not a number.
        """
        values = []
        for objective in self._study.objectives:
            require(metrics, objective.metric.names, repr(objective))
            value = objective.metric(metrics)
            if not math.isfinite(value):
                raise Diverged(infinite(objective, value, self._trial))
            values.append(value)
        return values

    # What the evaluation consists of.

    def _evaluated_by_user(self) -> dict[str, float]:
        assert self._study.evaluate is not None
        with at_once(self._trial):
            self._begin(Place())
            try:
                return as_numbers(self._study.evaluate(self.candidate, self._report))
            except SpaceError as error:
                raise self._infeasible(error) from error

    def _trained(self) -> dict[str, float]:
        training, device = self.candidate.training, self._device
        conditions = {"device": str(device), "threads": torch.get_num_threads(), "seed": self.candidate.seed}
        RUN.put(self._trial, {**conditions, "suggest_seconds": self._suggest_seconds})
        with at_once(self._trial), place_on(device) as place, lanes.turn():
            self._begin(place)
            if BROKE.of(frozen(self._trial)) is not None:
                place.alone()  # if it breaks the GPU again, it was no other one
            try:
                with forked_random():
                    found, pieces = in_pieces(self._fit, training.batch_size, device, place, self._study.task)
            except SpaceError as error:
                raise self._infeasible(error) from error
            except OutOfMemory as error:
                # Infeasible rather than failed: samplers learn from that to look elsewhere.
                constrain(self._trial, MEMORY, 1.0)
                raise TrialPruned(str(error)) from error
        if pieces > 1:
            PIECES.put(self._trial, pieces)
        return as_numbers(found)

    def _fit(self, pieces: int) -> dict[str, float]:
        assert self._study.task is not None
        torch.manual_seed(self.candidate.seed)
        module = self._build()
        state = self._before.state(self._device)
        self._reports.resume(self._before.late)
        if state is not None and not state.batches and state.epoch in self.candidate.training.reported:
            self._report(state.epoch, state.metrics)  # its worker may have died before it could
        about = (self._study, self._trial, self.candidate, module, self._device)
        try:
            with handed_down(*about, resumed=state is not None):
                found = fit(
                    module,
                    self._study.task,
                    self.candidate.training,
                    device=self._device,
                    seed=self.candidate.seed,
                    report=self._report,
                    state=state,
                    keep=self._keep,
                    pieces=pieces,
                    eager=self._note_eager,
                    advanced=self._note_stage,
                )
        except WrongState:
            self._before.discard_checkpoint()
            return self._fit(pieces)
        record_learned(self._study, self._trial, self.candidate, module)
        return found | measured_derivatives(*about)

    def _build(self) -> nn.Module:
        assert self._study.shape is not None
        module: nn.Module = self.candidate.architecture.build(self._study.shape, **self._study.context)
        return module

    @cached_property
    def _device(self) -> torch.device:
        return default_device(self.candidate.training.device)

    def _begin(self, place: Place) -> None:
        self._place, self._started = place, time.perf_counter()

    def _spent(self) -> float:
        """Return the seconds of evaluation so far, those before it was resumed included."""
        return self._before.seconds + time.perf_counter() - self._started - self._place.waited

    def _report(self, step: int, metrics: Mapping[str, float]) -> None:
        def values() -> list[float]:
            found = {**self.candidate.costs, "seconds": self._spent(), **as_numbers(metrics)}
            return self.values(found)

        step = whole_step(step)
        if self._study.evaluate is not None:
            note_stage(self._trial, Stage(step))
        if self._study.compared_at_rungs:
            self._reports.add(step, values)

    def _keep(self, state: State) -> None:
        # A training step of someone's own that does not tell its state begins anew.
        ends = state.epoch == self.candidate.training.epochs and not stopping.asked()
        if state.resumable and not ends:
            with self._reports.unless_away(), lanes.lent():
                self._before.keep(state, self._spent(), self._reports.late)

    def _note_stage(self, epochs: float) -> None:
        note_stage(self._trial, Stage(epochs, self.candidate.training.epochs))

    def _note_eager(self, reason: str) -> None:
        with self._reports.unless_away():
            EAGER.put(self._trial, reason)

    def _infeasible(self, error: SpaceError) -> TrialPruned:
        # Rather than failed: samplers learn from that to look elsewhere.
        constrain(self._trial, BUILDABLE, 1.0)
        return TrialPruned(str(error))
