"""What a study file declares: the space, what is evaluated, and what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from optnas.candidate import Candidate
from optnas.cost import COSTS
from optnas.errors import UserError, nearest
from optnas.measure.measuring import MEASURED, Measuring
from optnas.objectives import Constraint, Objective
from optnas.pruners import make_pruner
from optnas.samplers import CmaEsSampler, make_sampler
from optnas.space import Node, Site, SpaceError
from optnas.space.closing import Closing, Decide, decide_by, decide_from, holes
from optnas.tasks import Task
from optnas.train import Training
from optnas.train.checks import check_training
from optnas.trials.record import MEASURED_ON

if TYPE_CHECKING:
    from optnas.trials.internals import ArtifactStore

__all__ = ["Declaration", "Evaluate"]

# With more objectives the boxes of a front are hundreds to thousands.
_MOST_FOR_EHVI = 2

Rungs = Callable[[int, Mapping[str, float]], None]


class Evaluate(Protocol):
    """Someone's own evaluation of a candidate.

    It may have an attribute ``metrics``, the names of what it returns: then an objective that
    nobody measures is an error before the first trial, not in it.

    It is called anew for a trial whose worker died, and for one that promotes a paused trial: with a
    candidate of the same key and seed, by which it may keep and find what it can go on from. What it
    reports at steps that were reported before is passed over.
    """

    def __call__(self, candidate: Candidate, report: Rungs) -> Mapping[str, float]:
        """Return the metrics of ``candidate``, perhaps after calling ``report(step, metrics)``."""
        ...


class Declaration:
    """What a study file declares; :class:`~optnas.Study` adds its bridge to Optuna and has the arguments."""

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
        costs: Callable[[Candidate], Mapping[str, float]] | None = None,
        shape: tuple[int, ...] | None = None,
        context: Mapping[str, Any] | None = None,
        artifacts: str | Path | ArtifactStore | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"Study(name={name!r}): give it a name")
        if not isinstance(space, Node):
            raise UserError(f"study {name!r}: the space must be an op's node, such as ops.seq(…)")
        if (task is None) == (evaluate is None):
            raise UserError(f"study {name!r}: give either a task or evaluate=")
        if measuring is not None and task is None:
            raise UserError(f"study {name!r}: measuring= is for a task; evaluate= measures by itself")
        if isinstance(objectives, Objective) or not (
            objectives and all(isinstance(objective, Objective) for objective in objectives)
        ):
            raise UserError(
                f"study {name!r}: objectives are a list such as [maximize('accuracy'), minimize('flops')]"
            )
        called = [objective.name for objective in objectives]
        if len(set(called)) < len(called):
            twice = next(each for each in called if called.count(each) > 1)
            raise UserError(f"study {name!r}: two objectives are called {twice!r}")
        if isinstance(constraints, str) or callable(constraints):
            raise UserError(f"study {name!r}: constraints are a list such as ['params <= 200_000']")
        for argument, function in (("evaluate", evaluate), ("costs", costs)):
            if function is not None and not callable(function):
                raise UserError(f"study {name!r}: {argument}= takes a function, not {function!r:.60}")
        if shape is not None:
            try:
                Site.of(shape, {})
            except SpaceError as error:
                raise UserError(f"study {name!r}: {error}") from None
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
        # An evaluation of someone's own trains for as long as it likes, unless this says for how long.
        self._has_full = task is not None or training is not None
        self.measuring = measuring or Measuring()
        if sampler == "auto":
            sampler = "ehvi" if len(self.objectives) <= _MOST_FOR_EHVI else "tpe"
        if pruner == "auto":
            pruner = "none" if sampler == "ehvi" else "pareto-halving"
        self.sampler = sampler
        self.pruner = pruner
        self.artifacts = artifacts
        self.seed = seed
        self._costs = costs
        self._shape = shape
        self._context = context
        made = make_sampler(sampler, seed) if isinstance(sampler, str) else sampler
        if not isinstance(made, BaseSampler):
            raise UserError(f"study {name!r}: the sampler must be a name or an Optuna sampler")
        if isinstance(made, CmaEsSampler):
            made.check_objectives(len(self.objectives))
        if isinstance(pruner, str):
            make_pruner(pruner)
        elif not (pruner is None or isinstance(pruner, BasePruner)):
            raise UserError(f"study {name!r}: the pruner must be a name, an Optuna pruner or None")
        self._check_metrics()
        if self.task is not None:
            self.task = self.task.measuring(self._asked & set(self.task.metrics))
        self.distributions()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, objectives={list(self.objectives)})"

    # What is searched.

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return every parameter, the architecture's first, conditional ones included.

        Raises:
            SpaceError: If one name stands for two different decisions.
        """
        found = holes(self.space, self.training.tree)
        return {name: hole.distribution for name, hole in found.items()}

    def suggest(self, trial: optuna.trial.BaseTrial) -> Candidate:
        """Return what ``trial`` decides on."""
        return self._candidate(decide_by(trial), trial.number)

    def candidate(self, params: Mapping[str, Any], number: int = 0) -> Candidate:
        """Return the candidate that ``params`` made in the trial of that number.

        Raises:
            SpaceError: If a parameter is missing or outside the space.
        """
        return self._candidate(decide_from(params), number)

    def _candidate(self, decide: Decide, number: int) -> Candidate:
        closing = Closing(decide)
        architecture = closing.close(self.space)
        training = self.training.closed(closing.close(self.training.tree))
        return Candidate(architecture, training, closing.decided, self.seed + number)

    # What is measured.

    @cached_property
    def shape(self) -> tuple[int, ...] | None:
        """The input's shape without the batch, if it is known.

        Raises:
            UserError: If the task cannot learn from its data, or not by that training.
        """
        if self.task is None:
            return self._shape
        self.task.check()
        check_training(self.task, self.training)
        return self.task.data.shape

    @cached_property
    def context(self) -> dict[str, Any]:
        """What ops take from the task."""
        return dict(self.task.context if self.task is not None else self._context or {})

    def costs(self, candidate: Candidate) -> dict[str, float]:
        """Return what is known exactly of ``candidate`` before any training, by name.

        Raises:
            BuildError: If it cannot be built on the task's input.
            TypeError: If the study's own function returns no values by name.
        """
        if self._costs is not None:
            found = self._costs(candidate)
            if not isinstance(found, Mapping):
                raise TypeError(f"costs= returns a dict such as {{'flops': 1e6}}, not {found!r:.60}")
            return dict(found)
        return self.tree_costs(candidate.architecture)

    @property
    def counts_trees(self) -> bool:
        """Whether costs are those of the tree, whatever the training is."""
        return self._costs is None

    def tree_costs(self, architecture: Node) -> dict[str, float]:
        """Return the exact costs of ``architecture`` on the study's input, if its shape is known.

        Raises:
            SpaceError: If it cannot be built there, or puts out what the task does not take.
        """
        if self.shape is None:
            return {}
        cost = architecture.cost(self.shape, **self.context)
        if self.task is not None and cost.shape != self.task.output_shape:
            end = "lm_head" if len(self.task.output_shape) == 2 else "head"
            raise SpaceError(
                f"the architecture puts out {cost.shape}, but the task takes {self.task.output_shape}:"
                f" end the space with {end}"
            )
        return {name: getattr(cost, name) for name in COSTS}

    @property
    def known(self) -> tuple[str, ...] | None:
        """The names of all that is measured, or ``None`` if only a trial can tell."""
        if self.task is not None:
            return (*COSTS, *MEASURED, "diversity", *self.task.metrics, "seconds")
        metrics = getattr(self.evaluate, "metrics", None)
        if metrics is None:
            return None
        return (*metrics, *(COSTS if self._shape is not None else ()), "diversity", "seconds")

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """The names of what has to be found out of a candidate before it is trained, beyond its costs."""
        known = (*MEASURED, "diversity") if self.task is not None else ("diversity",)
        own = getattr(self.task or self.evaluate, "metrics", None) or ()
        return tuple(name for name in known if name in self._asked and name not in own)

    @property
    def _asked(self) -> set[str]:
        """The names of all that the objectives and the constraints look at."""
        wanted = [objective.metric.names for objective in self.objectives]
        return set().union(*wanted, *(limit.needs or () for limit in self.constraints))

    def _check_metrics(self) -> None:
        """Refuse objectives and constraints over what nobody measures, before anything is spent."""
        if self.known is None:
            return
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

    # What is kept.

    @cached_property
    def store(self) -> ArtifactStore | None:
        """Where checkpoints are kept; ``None`` for nowhere.

        Raises:
            UserError: If there can be nothing of that kind.
        """
        if self.artifacts is None or self.task is None:
            return None
        from optnas.checkpoints.store import artifact_store

        return artifact_store(self.artifacts)

    def check_place(self, study: optuna.Study, place: str | None) -> None:
        """Refuse to measure at another ``place`` than the study; keep which it is where it is new.

        Raises:
            UserError: If it is another.
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
