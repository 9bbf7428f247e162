"""Neural architecture search as an Optuna study.

A study file declares a search; ``optnas run study.py`` runs it, ``optnas init`` writes one to start from::

    from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks

    layer = ops.seq(ops.conv(choose(8, 16, 32, name="width")), ops.norm(), ops.relu())
    study = Study(
        name="digits",
        space=ops.seq(repeat(layer, 1, 4, name="layer"), ops.maxpool(2), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize("flops")],
        training=Training(epochs=9, lr=real(1e-3, 1e-1, log=True)),
    )

Where to look next:

- :class:`Study`: all that can be declared. ``study.objective`` is an ordinary Optuna objective.
- :mod:`optnas.ops`: the layers; :func:`op` makes one of your own module. :mod:`optnas.spaces`: known spaces.
- :func:`choose`, :func:`integer`, :func:`real`, :func:`repeat`, :func:`stage`: what is left open in a space.
- :mod:`optnas.data`, :mod:`optnas.tasks`, :class:`Training`: what is learned, and how.
- :mod:`optnas.samplers`, :mod:`optnas.pruners`: for any Optuna study, by name for this one.
- :mod:`optnas.loggers`: callbacks for TensorBoard, MLflow, Weights & Biases.
- :func:`load`: a network that ``optnas train`` trained, as a ``torch.nn.Module``.
"""

from optnas.interrupts.commands import end_quietly as _end_quietly
from optnas.interrupts.commands import end_soon as _end_soon
from optnas.interrupts.commands import start_soon as _start_soon

# Before the seconds that all other imports take.
_end_quietly()
_end_soon()
_start_soon()

# isort: split

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optnas import data, loggers, ops, pruners, samplers, spaces, tasks
    from optnas.candidate import Candidate
    from optnas.card import Card
    from optnas.cost import Cost
    from optnas.errors import UserError
    from optnas.measure.measuring import Measuring
    from optnas.measure.zero_cost.settings import ZeroCost
    from optnas.objectives import maximize, minimize
    from optnas.ops import op
    from optnas.pruners import (
        ParetoHalvingPruner,
        ParetoPromotionPruner,
        RankPruner,
        promote,
        report,
        should_prune,
    )
    from optnas.run.runnable import Study
    from optnas.space import BuildError, Node, SpaceError, choose, integer, parse, real, repeat, shared, stage
    from optnas.train import Training
    from optnas.winner.model import load

__version__ = _version("optnas")

__all__ = [
    "BuildError",
    "Candidate",
    "Card",
    "Cost",
    "Measuring",
    "Node",
    "ParetoHalvingPruner",
    "ParetoPromotionPruner",
    "RankPruner",
    "SpaceError",
    "Study",
    "Training",
    "UserError",
    "ZeroCost",
    "choose",
    "data",
    "integer",
    "load",
    "loggers",
    "maximize",
    "minimize",
    "op",
    "ops",
    "parse",
    "promote",
    "pruners",
    "real",
    "repeat",
    "report",
    "samplers",
    "shared",
    "should_prune",
    "spaces",
    "stage",
    "tasks",
]

_MODULES = ("data", "loggers", "ops", "pruners", "samplers", "spaces", "tasks")
_PLACES = {
    "candidate": ("Candidate",),
    "card": ("Card",),
    "cost": ("Cost",),
    "errors": ("UserError",),
    "measure.measuring": ("Measuring",),
    "measure.zero_cost.settings": ("ZeroCost",),
    "objectives": ("maximize", "minimize"),
    "ops": ("op",),
    "pruners": (
        "ParetoHalvingPruner",
        "ParetoPromotionPruner",
        "RankPruner",
        "promote",
        "report",
        "should_prune",
    ),
    "run.runnable": ("Study",),
    "space": (
        "BuildError",
        "Node",
        "SpaceError",
        "choose",
        "integer",
        "parse",
        "real",
        "repeat",
        "shared",
        "stage",
    ),
    "train": ("Training",),
    "winner.model": ("load",),
}


def _get(name: str) -> Any:
    """Import what is asked for when it is first used: commands that only read do without PyTorch."""
    if name not in __all__:
        raise AttributeError(f"module 'optnas' has no attribute {name!r}")
    import_module("optnas.ops")  # whose names stand in texts
    if name in _MODULES:
        return import_module(f"optnas.{name}")
    place = next(place for place, names in _PLACES.items() if name in names)
    globals()[name] = found = getattr(import_module(f"optnas.{place}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # which would take any name for known
    __getattr__ = _get
