"""Checks of a declared study's arguments, each with a message that says what to do."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler

from optnas.errors import UserError
from optnas.measure.zero_cost.checks import check_scored
from optnas.measure.zero_cost.settings import ZeroCost
from optnas.objectives import Objective
from optnas.one_shot.learning import check_learned_as_usual
from optnas.pruners import make_pruner
from optnas.samplers import CmaEsSampler, make_sampler
from optnas.samplers.base import unwrapped
from optnas.space import Node, Site, SpaceError
from optnas.space.closing import holes
from optnas.tasks import Task
from optnas.train import Training
from optnas.train.allowed import possible_values

__all__ = [
    "check_functions",
    "check_inherits",
    "check_objectives",
    "check_one_shot",
    "check_screened",
    "check_shape",
    "check_strategies",
]


class Screened(Protocol):
    """The attributes of a study that :func:`check_screened` reads."""

    name: str
    task: Task | None
    sampler: str | BaseSampler
    warm_start: str | None
    features: str | None
    zero_cost: ZeroCost

    @property
    def costs_from_tree(self) -> bool: ...


def check_objectives(name: str, objectives: Any) -> None:
    """Raise ``UserError`` unless ``objectives`` is a list of objectives with different names."""
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


def check_functions(name: str, **functions: Any) -> None:
    """Raise ``UserError`` if an argument that takes a function is something else."""
    for argument, function in functions.items():
        if function is not None and not callable(function):
            raise UserError(f"study {name!r}: {argument}= takes a function, not {function!r:.60}")


def check_shape(name: str, shape: Any) -> None:
    """Raise ``UserError`` if ``shape`` is no shape of an input."""
    if shape is not None:
        try:
            Site.of(shape, {})
        except SpaceError as error:
            raise UserError(f"study {name!r}: {error}") from None


def check_strategies(
    name: str, sampler: Any, pruner: Any, objectives: int, derivatives: Collection[str], *, at_rungs: bool
) -> None:
    """Raise ``UserError`` if the sampler or the pruner is neither a known name nor Optuna's.

    Args:
        name: The study's name, for the message.
        sampler: The study's sampler.
        pruner: The study's pruner.
        objectives: The number of objectives.
        derivatives: The metrics that are measured after training alone.
        at_rungs: Whether objectives have values at rungs.
    """
    made = make_sampler(sampler, 0) if isinstance(sampler, str) else sampler
    if not isinstance(made, BaseSampler):
        raise UserError(f"study {name!r}: the sampler must be a name or an Optuna sampler")
    if isinstance(made, CmaEsSampler):
        made.check_objectives(objectives)
    if isinstance(pruner, str):
        make_pruner(pruner)
    elif not (pruner is None or isinstance(pruner, BasePruner)):
        raise UserError(f"study {name!r}: the pruner must be a name, an Optuna pruner or None")
    if pruner not in ("none", None) and not isinstance(pruner, NopPruner) and not at_rungs:
        raise UserError(
            f"study {name!r}: {', '.join(derivatives)}: measured after training alone, no"
            " trial can be pruned by the objectives: leave pruner= out"
        )


def check_inherits(name: str, task: Task | None, training: Training, sampler: Any) -> None:
    """Raise ``UserError`` if trials are to begin with weights that the study does not have."""
    made = _made(sampler)
    for how in filter(None, possible_values(training.inherit)):
        if task is None:
            raise UserError(f"study {name!r}: Training(inherit={how!r}) needs a task")
        if getattr(made, "hands_down", None) != how:
            which = {
                "parent": "a sampler that changes earlier trials: sampler='evolution' or 'local'",
                "one-shot": "a sampler that trains a supernet, such as sampler='single-path' or 'darts'",
            }[how]
            raise UserError(f"study {name!r}: Training(inherit={how!r}) needs {which}")


def check_one_shot(name: str, task: Task | None, space: Node, sampler: Any) -> None:
    """Raise ``UserError`` if a sampler is to search on shared weights where it cannot."""
    made = _made(sampler)
    if getattr(made, "hands_down", None) != "one-shot":
        return
    which = (
        f"study {name!r}: the sampler {sampler!r}"
        if isinstance(sampler, str)
        else f"study {name!r}: its sampler"
    )
    if task is None:
        raise UserError(
            f"{which} trains networks itself: give a task, or take another sampler, such as 'ehvi'"
        )
    if not holes(space):
        raise UserError(
            f"{which} chooses between architectures, and this space has one alone: leave choices of it open,"
            " or take another sampler, such as 'ehvi'"
        )
    check_learned_as_usual(task)


def _made(sampler: Any) -> Any:
    """Return a sampler, or that of a name, without what is around it."""
    return unwrapped(make_sampler(sampler, 0) if isinstance(sampler, str) else sampler)


def check_screened(study: Screened, given: ZeroCost | None) -> None:
    """Raise ``UserError`` if the study cannot be screened by zero-cost scores as it says.

    Args:
        study: The study.
        given: Its ``zero_cost=`` as given.
    """
    name, asked = study.name, {"warm_start": study.warm_start, "features": study.features}
    for argument, value in asked.items():
        if value not in (None, "zero-cost"):
            raise UserError(f"study {name!r}: {argument}={value!r}: give 'zero-cost', or leave it out")
    if given is not None and not isinstance(given, ZeroCost):
        raise UserError(f"study {name!r}: zero_cost={given!r:.60}: give ZeroCost(candidates=100, …)")
    if not any(asked.values()):
        if given is not None:
            raise UserError(f"study {name!r}: zero_cost= is for warm_start='zero-cost' or features=")
        return
    if study.features and not _is_ehvi(study.sampler):
        raise UserError(f"study {name!r}: features= are inputs of the model of sampler='ehvi' alone")
    if study.task is not None:
        study.zero_cost.check_computed(name)
        check_scored(name, study.task, study.zero_cost.scores)
    elif study.costs_from_tree or given is None:
        raise UserError(
            f"study {name!r} has no task, whose samples networks are scored on: let costs= return scores"
            " under names of your own, and say zero_cost=ZeroCost(scores=[…])"
        )


def _is_ehvi(sampler: str | BaseSampler) -> bool:
    if isinstance(sampler, str):
        return sampler == "ehvi"
    from optnas.samplers.ehvi import EHVISampler

    return isinstance(sampler, EHVISampler)
