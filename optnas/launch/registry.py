"""The engines by name."""

from __future__ import annotations

import importlib

from optnas.errors import UserError, nearest
from optnas.launch.engine import Engine

__all__ = ["ENGINES", "engine_class"]

# Where each is: its packages are imported only if it is asked for.
ENGINES = {
    "local": "local:Local",
    "ssh": "ssh:Ssh",
    "slurm": "slurm:Slurm",
    "local-submitit": "slurm:LocalSubmitit",
    "ray": "ray:Ray",
    "compose": "compose:Compose",
    "kubernetes": "kubernetes:Kubernetes",
}


def engine_class(name: str) -> type[Engine]:
    """Return the engine called ``name``.

    Raises:
        UserError: If there is none, or its package is not installed.
    """
    if name not in ENGINES:
        raise UserError(f"--engine {name}: there is none of that name, {nearest(name, ENGINES)}")
    module, _, found = ENGINES[name].partition(":")
    try:
        engine: type[Engine] = getattr(importlib.import_module(f"optnas.launch.{module}"), found)
    except ModuleNotFoundError as error:
        extra = {"submitit": "slurm"}.get(str(error.name), error.name)
        raise UserError(f"--engine {name} needs a package: pip install 'optnas[{extra}]'") from None
    return engine
