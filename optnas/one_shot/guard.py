"""Guard against the collapse of a differentiable search to skip connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from optnas.one_shot.decisions import Decisions
from optnas.one_shot.supernet import Supernet
from optnas.ops.skip import skip
from optnas.space import Node
from optnas.space.holes import Choose

__all__ = ["Guard"]

# More than so many of the choices that could be a skip are one.
_LIMIT = 0.5
# By so much a loss is clearly above another one.
_WORSE = 1.1


class Guard:
    """Stops a search for accuracy alone whose most probable architecture has become all skips, and is worse.

    Gradients come to prefer skips as the supernet is trained, because they carry the gradient to all other
    layers, not because architectures of skips are good (Zela et al. 2020; DARTS+ counts them, Liang et al.
    2019). Where more than half of the choices that offer one are skips, and the loss of that architecture is
    clearly above that of the best one before, that one's probabilities come back and are not changed any
    more. With a weight of the cost skips are what is asked for, and nothing is stopped.

    Args:
        net: The supernet.

    Attributes:
        stopped: The weightings that were stopped.
    """

    def __init__(self, net: Supernet) -> None:
        self.stopped: set[int] = set()
        self._skips = {
            name: label
            for name, hole in net.holes.items()
            if isinstance(hole, Choose)
            for label, option in hole.by_label.items()
            if _is_skip(option)
        }
        self._best: dict[int, tuple[float, list[Tensor]]] = {}

    def share(self, params: dict[str, Any]) -> float:
        """Return the share of skips among the choices that offer one."""
        skips = [params[name] == label for name, label in self._skips.items()]
        return sum(skips) / len(skips) if skips else 0.0

    def look(
        self, decisions: Decisions, weighting: int, epoch: int, loss_of: Callable[[dict[str, Any]], float]
    ) -> str | None:
        """Look at a weighting after an epoch; return what happened in words if it is stopped.

        Args:
            decisions: The probabilities; those before come back if it is stopped.
            weighting: The weighting.
            epoch: The number of epochs done.
            loss_of: Returns the loss of an architecture on the shared weights.
        """
        if weighting in self.stopped or not self._skips:
            return None
        derived = decisions.derived(weighting)
        loss, share = loss_of(derived), self.share(derived)
        logits = decisions.logits
        best = self._best.get(weighting)
        if best is None or (share <= _LIMIT and loss <= best[0]):
            self._best[weighting] = loss, [each[weighting].detach().clone() for each in logits]
            return None
        if share <= _LIMIT or loss <= _WORSE * best[0]:
            return None
        for each, before in zip(logits, best[1], strict=True):
            each.data[weighting] = before
        self.stopped.add(weighting)
        return (
            f"the search collapsed to skips in epoch {epoch} ({share:.0%} of the choices that offer one;"
            f" loss {loss:.3g}, {best[0]:.3g} before) and was stopped: the architecture before it counts"
        )

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` takes."""
        return {
            "stopped": sorted(self.stopped),
            "best": {
                str(place): {"loss": loss, "logits": logits} for place, (loss, logits) in self._best.items()
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what another guard's :meth:`state` returned."""
        self.stopped = set(state["stopped"])
        self._best = {int(place): (each["loss"], each["logits"]) for place, each in state["best"].items()}


def _is_skip(option: Any) -> bool:
    return isinstance(option, Node) and (option.op is skip or option.op.name == "identity")
