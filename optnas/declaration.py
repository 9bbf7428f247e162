"""The settings of a study: search space, task or evaluation, objectives, constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from optnas.candidate import Candidate
from optnas.card import Card
from optnas.cost import COSTS
from optnas.declaration_checks import (
    check_functions,
    check_inherits,
    check_objectives,
    check_one_shot,
    check_screened,
    check_shape,
    check_strategies,
)
from optnas.errors import UserError, nearest
from optnas.measure.derivatives.measured import DERIVATIVES, check_derivatives
from optnas.measure.measuring import MEASURED, Measuring
from optnas.measure.zero_cost.checks import check_scored
from optnas.measure.zero_cost.settings import ZeroCost
from optnas.objectives import Constraint, Objective
from optnas.own_code import own_code
from optnas.space import Node, SpaceError
from optnas.space.closing import Closing, Decide, accepted, decide_by, decide_from, holes
from optnas.space.own_ops import own_ops
from optnas.tasks import Task
from optnas.train import Training
from optnas.train.checks import check_training
from optnas.train.own_losses import check_own_losses
from optnas.train.own_tasks import check_own_task
from optnas.train.single_values import check_single_samples
from optnas.train.task_checks import check_declared
from optnas.trials.record import MEASURED_ON

if TYPE_CHECKING:
    from optnas.trials.optuna_internals import ArtifactStore

__all__ = ["Declaration", "Evaluate"]

# With more objectives, EHVI divides the undominated region into hundreds to thousands of boxes.
_MOST_FOR_EHVI = 2

Rungs = Callable[[int, Mapping[str, float]], None]


class Evaluate(Protocol):
    """A user-defined evaluation of a candidate, for ``Study(evaluate=…)``.

    It may have an attribute ``metrics`` with the names of the metrics that it returns. An objective
    over an unknown metric is then an error before the first trial, not during it.

    It is called again for a trial whose worker died, and for a trial that promotes a paused one. The
    candidate then has the same key and seed: it can keep checkpoints under these and resume. Reports
    at steps that were reported before are ignored.
    """

    def __call__(self, candidate: Candidate, report: Rungs) -> Mapping[str, float]:
        """Return the metrics of ``candidate``, perhaps after calling ``report(step, metrics)``."""
        ...


class Declaration:
    """The settings of a study; :class:`~optnas.Study` documents them and adds the bridge to Optuna."""

    def __init__(
        self,
        name: str,
        space: Node,
        *,
        objectives: Sequence[Objective],
        task: Task | None = None,
        evaluate: Evaluate | Callable[..., Mapping[str, float]] | None = None,
        constraints: Sequence[str | Callable[[Candidate], float | bool]] = (),
        training: Training | None = None,
        sampler: str | BaseSampler = "auto",
        pruner: str | BasePruner | None = "auto",
        measuring: Measuring | None = None,
        warm_start: str | None = None,
        features: str | None = None,
        zero_cost: ZeroCost | None = None,
        costs: Callable[[Candidate], Mapping[str, float]] | None = None,
        shape: tuple[int, ...] | None = None,
        context: Mapping[str, Any] | None = None,
        artifacts: str | Path | ArtifactStore | None = None,
        card: Card | Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"Study(name={name!r}): give it a name")
        if "\0" in name or name.encode(errors="replace").decode() != name:
            raise UserError(f"Study(name={name!r}): it has characters that no storage can hold")
        if not isinstance(space, Node):
            raise UserError(f"study {name!r}: the space must be an op's node, such as ops.seq(…)")
        if (task is None) == (evaluate is None):
            raise UserError(f"study {name!r}: give either a task or evaluate=")
        if measuring is not None and task is None:
            raise UserError(f"study {name!r}: measuring= is for a task; evaluate= measures by itself")
        if task is not None:
            check_declared(task)
        check_objectives(name, objectives)
        if isinstance(constraints, str) or callable(constraints):
            raise UserError(f"study {name!r}: constraints are a list such as ['params <= 200_000']")
        check_functions(name, evaluate=evaluate, costs=costs)
        check_shape(name, shape)
        if not isinstance(seed, int) or seed < 0:
            raise UserError(f"study {name!r}: the seed {seed!r} must be a whole number of at least 0")
        self.name = name
        self.space = space
        self.task = task
        self.evaluate = evaluate
        self.objectives = tuple(objectives)
        self.constraints = tuple(Constraint.of(limit) for limit in constraints)
        self.bounds = tuple(objective.bound for objective in objectives if objective.bound is not None)
        self.training = training or Training()
        # A user-defined evaluation has no known last step, unless ``training`` gives one.
        self._has_full = task is not None or training is not None
        self.measuring = measuring or Measuring()
        usual = "ehvi" if len(self.objectives) <= _MOST_FOR_EHVI else "tpe"
        self.sampler = usual if sampler == "auto" else sampler
        usual = "pareto-halving" if self.sampler != "ehvi" and self.compared_at_rungs else "none"
        self.pruner = usual if pruner == "auto" else pruner
        self.artifacts = artifacts
        self.card = Card.of(card)
        self.seed = seed
        self._costs = costs
        self._shape = shape
        self._context = context
        self.warm_start = warm_start
        self.features = features
        self.zero_cost = zero_cost or ZeroCost()
        check_strategies(
            name,
            self.sampler,
            self.pruner,
            len(self.objectives),
            self.derivatives,
            at_rungs=self.compared_at_rungs,
        )
        check_screened(self, zero_cost)
        check_one_shot(name, task, space, self.sampler)
        check_inherits(name, task, self.training, self.sampler)
        self._check_metrics()
        if self.task is not None:
            check_scored(name, self.task, self.measured)
            self.task = self.task.measuring(self._used_metrics & set(self.task.metrics))
        self.distributions()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, objectives={list(self.objectives)})"

    # The search space.

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the distribution of every parameter, conditional ones included, the architecture's first.

        Raises:
            SpaceError: If one name stands for two different decisions.
        """
        found = holes(self.space, self.training.tree)
        return {name: hole.distribution for name, hole in found.items()}

    @cached_property
    def own_ops(self) -> dict[str, str]:
        """The digests of the user's own ops in the space, by name."""
        return own_ops(self.space)

    @cached_property
    def own_sources(self) -> dict[str, str]:
        """The digests of the user's own ops, losses and optimisers, by name."""
        return {**self.own_ops, **self.training.own_functions}

    def suggest(self, trial: optuna.trial.BaseTrial) -> Candidate:
        """Return the candidate made of the parameters that ``trial`` suggests."""
        return self._candidate(decide_by(trial), trial.number)

    def candidate(self, params: Mapping[str, Any], number: int = 0) -> Candidate:
        """Return the candidate with parameters ``params``, seeded as in trial ``number``.

        Raises:
            SpaceError: If a parameter is missing or outside the space.
        """
        return self._candidate(decide_from(params), number)

    def check_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters to enqueue, some or all of the space's, as its own values (1 for 1.0).

        Raises:
            UserError: If a name is not a parameter's or a value is outside the space; it says all that is
                wrong, with the nearest name.
        """
        known = self.distributions() if params else {}
        checked, wrong = {}, []
        for name, value in params.items():
            if name not in known:
                wrong.append(f"{name!r} is no parameter of the space: {nearest(str(name), known)}")
                continue
            try:
                checked[name] = accepted(name, known[name], value)
            except SpaceError as error:
                wrong.append(str(error))
        if wrong:
            raise UserError("; ".join(wrong))
        return checked

    def _candidate(self, decide: Decide, number: int) -> Candidate:
        closing = Closing(decide)
        architecture = closing.close(self.space)
        training = self.training.closed(closing.close(self.training.tree))
        return Candidate(architecture, training, closing.decided, self.seed + number)

    # Costs and metrics.

    @cached_property
    def shape(self) -> Any:
        """Shape of one input, without the batch, or those of several by name; ``None`` if unknown.

        Raises:
            UserError: If the task cannot be trained on its data, or not with this training configuration.
        """
        if self.task is None:
            return self._shape
        self.task.check()
        check_training(self.task, self.training)
        check_own_losses(self.space, self.task, self.training)
        check_own_task(self.space, self.task, self.training, self._used_metrics & set(self.task.metrics))
        check_single_samples(self.space, self.task, self.training)
        check_derivatives(self.task, self.derivatives)
        return self.task.data.shape

    @cached_property
    def context(self) -> dict[str, Any]:
        """Values that ops take from the task, such as ``outputs``, by name."""
        given = self.task.context if self.task is not None else self._context or {}
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
            raise UserError(f"study {self.name!r}: context is {given!r:.60}; give values by name")
        return dict(given)

    def costs(self, candidate: Candidate) -> dict[str, float]:
        """Return the costs of ``candidate`` that are known exactly before any training, by name.

        Raises:
            BuildError: If it cannot be built on the task's input.
            TypeError: If the study's ``costs`` function returns no mapping.
        """
        if self._costs is not None:
            with own_code():
                found = self._costs(candidate)
            if not isinstance(found, Mapping):
                raise TypeError(f"costs= returns a dict such as {{'flops': 1e6}}, not {found!r:.60}")
            return dict(found)
        return self.tree_costs(candidate.architecture)

    @property
    def costs_from_tree(self) -> bool:
        """Whether costs depend on the architecture alone: no ``costs`` function was given."""
        return self._costs is None

    def tree_costs(self, architecture: Node) -> dict[str, float]:
        """Return the exact costs of ``architecture`` for the study's input shape; empty if that is unknown.

        Raises:
            SpaceError: If it cannot be built for that shape, or its output shape does not fit the task.
        """
        if self.shape is None:
            return {}
        cost = architecture.cost(self.shape, **self.context)
        misfit = None if self.task is None else self.task.misfit(cost.shape)
        if misfit is not None:
            raise SpaceError(f"the architecture puts out {cost.shape}, but {misfit}")
        return {name: getattr(cost, name) for name in COSTS}

    def broken_limits(self, costs: Mapping[str, float]) -> Iterator[Constraint]:
        """Yield the constraints and bounds on known costs that ``costs`` break; functions are not asked.

        Raises:
            ArithmeticError: If one has no value for them.
        """
        for limit in (*self.constraints, *self.bounds):
            if limit.needs is not None and limit.needs <= costs.keys() and limit.violation(costs) > 0:
                yield limit

    @property
    def known(self) -> tuple[str, ...] | None:
        """Names of all metrics that a trial can have; ``None`` if they are unknown before a trial."""
        if self.task is not None:
            return (*COSTS, *MEASURED, "diversity", *self.task.metrics, *DERIVATIVES, "seconds")
        metrics = getattr(self.evaluate, "metrics", None)
        if metrics is None:
            return None
        return (*metrics, *(COSTS if self._shape is not None else ()), "diversity", "seconds")

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """Names of the metrics to measure before the training of a candidate, beside its exact costs."""
        known = (*MEASURED, "diversity") if self.task is not None else ("diversity",)
        own = getattr(self.task or self.evaluate, "metrics", None) or ()
        return tuple(name for name in known if name in self._used_metrics and name not in own)

    @cached_property
    def derivatives(self) -> tuple[str, ...]:
        """Names of the metrics to measure of the trained network's derivatives."""
        own = DERIVATIVES if self.task is None else self.task.metrics
        return tuple(name for name in DERIVATIVES if name in self._used_metrics - set(own))

    @property
    def compared_at_rungs(self) -> bool:
        """Whether objectives have values at rungs."""
        return not any(objective.metric.names & {*self.derivatives} for objective in self.objectives)

    @property
    def _used_metrics(self) -> set[str]:
        """Names of all metrics that the objectives and constraints use."""
        wanted = [objective.metric.names for objective in self.objectives]
        return set().union(*wanted, *(limit.needs or () for limit in self.constraints))

    def _check_metrics(self) -> None:
        """Raise ``UserError`` if an objective or constraint uses an unknown metric, before any training."""
        if self.known is None:
            return
        for objective in self.objectives:
            if objective.name in self.known and objective.name != objective.metric.text:
                raise UserError(
                    f"study {self.name!r}: {objective!r}: {objective.name} is another metric's name"
                )
        for user, names in (
            *((repr(objective), objective.metric.names) for objective in self.objectives),
            *((repr(limit.name), limit.needs or ()) for limit in self.constraints),
        ):
            for name in sorted(set(names) - set(self.known)):
                raise UserError(
                    f"study {self.name!r}: {user} needs {name!r}, which nobody measures:"
                    f" {nearest(name, self.known)}"
                )

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """The directions for ``optuna.create_study``."""
        return [objective.direction for objective in self.objectives]

    # Checkpoints and the study's record.

    @cached_property
    def store(self) -> ArtifactStore | None:
        """Artifact store for checkpoints; ``None`` if none are kept.

        Raises:
            UserError: If ``artifacts`` names no usable store.
        """
        if self.artifacts is None or self.task is None:
            return None
        from optnas.checkpoints.store import artifact_store

        return artifact_store(self.artifacts)

    def check_fingerprint(self, study: optuna.Study, place: str | None) -> None:
        """Raise if the study was measured on other hardware than ``place``; record it in a new study.

        Raises:
            UserError: If it was measured on other hardware, or with other threads or another batch.
        """
        before = MEASURED_ON.of(study)
        if place is None or before == place:
            return
        if before is not None:
            raise UserError(
                f"study {self.name!r} is measured on {before}, and this is {place}: figures of different"
                " devices do not compare; run it there, or give the study another name"
            )
        MEASURED_ON.put(study, place)
