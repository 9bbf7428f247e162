"""Samplers and pruners of someone's own: all trials share them, and they may draw from any generator.

Nothing here imports PyTorch, which commands that only read do without.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from optnas.turn import shared_turn

__all__ = ["shared_code"]

# What these packages make draws from generators of its own.
_DRAWS_APART = {*sys.stdlib_module_names, "optnas", "optuna", "numpy", "scipy", "cmaes", "torch"}


@contextmanager
def shared_code(code: object) -> Iterator[None]:
    """Call a sampler or pruner, which all trials share, inside this context.

    One of someone's own may draw from the generators of the process. In a lane it is called in the turn, with
    generators that are no training's: those which the process had before, and which go on from call to call.
    """
    if _is_own(code):
        with shared_turn():
            yield
    else:
        yield


def _is_own(code: object) -> bool:
    """Return whether a sampler or pruner, or a part that it was given, is of none of the known packages."""
    made_of: Any = code if isinstance(code, FunctionType) else type(code)
    if str(made_of.__module__).partition(".")[0] not in _DRAWS_APART:
        return True
    # Parts such as the sampler in Optuna's PartialFixedSampler, or the crossover of its NSGAIISampler.
    return isinstance(code, BaseSampler | BasePruner) and any(map(_is_own, vars(code).values()))
