"""Base class of the engines that place workers on machines, and their options."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

from optnas.launch.job import Job

__all__ = ["Engine", "Followed", "Placement", "Reach"]


class Reach(enum.Enum):
    """Where an engine's workers are, seen from the machine that launches them."""

    HERE = "on this machine"
    MACHINES = "on several machines"
    CONTAINERS = "in containers"


@dataclasses.dataclass(frozen=True)
class Placement:
    """Options of an engine beside the job; each engine takes some of them.

    Attributes:
        hosts: The machines.
        image: The container image, with optnas in it.
        python: The Python interpreter on the machines; by default the path of this one.
        settings: The engine's own settings, passed on to it.
        detach: Whether the workers are left running.
    """

    hosts: Sequence[str] = ()
    image: str | None = None
    python: str | None = None
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    detach: bool = False


class Engine(Protocol):
    """A thin placement of workers, which restarts those that die.

    Attributes:
        takes: Names of what it takes of :class:`Placement`, and of ``gpus`` and ``memory`` of a job.
        reach: Where its workers are.
    """

    takes: ClassVar[frozenset[str]]
    reach: ClassVar[Reach]

    def __init__(self, job: Job, placement: Placement) -> None:
        """Check what can be checked before anything starts.

        Raises:
            UserError: If something is missing or not installed.
        """

    def shown(self) -> str:
        """Return what :meth:`start` submits, without secrets."""

    def start(self) -> str:
        """Start the workers and return in words how to look after them.

        Raises:
            UserError: If the engine refuses them.
        """


@runtime_checkable
class Followed(Engine, Protocol):
    """An engine whose workers the launching process follows, and stops."""

    def runs(self) -> bool:
        """Return whether a worker still runs or is to be restarted."""

    def stop(self) -> None:
        """Let all workers hand their trials back and end."""
