"""Guard against the collapse of a differentiable search to skip connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """Stops a search for accuracy alone whose most probable architecture has become skips, and is worse.

    Gradients come to prefer skips as the supernet is trained, because its weights fit the samples that they
    learn from and no others, not because architectures of skips are good (Zela et al. 2020,
    https://arxiv.org/abs/1909.09656). So after each epoch it looks for the best architecture in which at most
    half of the choices that offer a skip are one: the most probable one, where too many are skips with the
    least probable of them, or all, replaced by the next best option (P-DARTS restricts them likewise, Chen et
    al. 2019, https://arxiv.org/abs/1904.12760). Once more than half are skips, and the loss on the shared
    weights is clearly above that of the best one so far, that one's probabilities come back and are not
    changed any more. With a weight of the cost skips are what is asked for, and nothing is stopped.

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
            if isinstance(hole, Choose) and len(hole.by_label) > 1
            for label, option in hole.by_label.items()
            if _is_skip(option)
        }
        self._best: dict[int, tuple[float, list[Tensor]]] = {}

    def share(self, params: Mapping[str, Any]) -> float:
        """Return the share of skips among the choices that offer one."""
        skips = [params.get(name) == label for name, label in self._skips.items()]
        return sum(skips) / len(skips) if skips else 0.0

    def forbids(self, weighting: int, params: Mapping[str, Any]) -> bool:
        """Return whether a weighting was stopped and ``params`` would be a collapse again."""
        return weighting in self.stopped and self.share(params) > _LIMIT

    def look(
        self,
        decisions: Decisions,
        weighting: int,
        epoch: int,
        loss_of: Callable[[Mapping[str, Any]], float],
    ) -> str | None:
        """Look at a weighting after an epoch; return what happened in words if it is stopped.

        Args:
            decisions: The probabilities; the best ones with fewer skips come back if it is stopped.
            weighting: The weighting.
            epoch: The number of epochs done.
            loss_of: Returns the loss of an architecture on the shared weights.
        """
        if weighting in self.stopped or not self._skips:
            return None
        derived = decisions.derived(weighting)
        loss, share = loss_of(derived), self.share(derived)
        for instead in self._with_fewer_skips(decisions, weighting, derived):
            found = loss if not instead else loss_of({**derived, **instead})
            if weighting not in self._best or found < self._best[weighting][0]:
                self._best[weighting] = found, decisions.leaning(weighting, instead)
        best, logits = self._best[weighting]
        if share <= _LIMIT or loss <= _WORSE * best:
            return None
        decisions.put(weighting, logits)
        self.stopped.add(weighting)
        return (
            f"the search collapsed to skips in epoch {epoch} ({share:.0%} of the choices that offer one; loss"
            f" {loss:.3g}, {best:.3g} with fewer) and was stopped: the best architecture with fewer counts"
        )

    def _with_fewer_skips(
        self, decisions: Decisions, weighting: int, derived: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Return what to change in the most probable architecture so that at most half are skips."""
        skipped = [name for name, label in self._skips.items() if derived[name] == label]
        too_many = len(skipped) - int(_LIMIT * len(self._skips))
        if too_many <= 0:
            return [{}]
        skipped.sort(key=lambda name: decisions.probabilities(name, weighting).max().item())
        return [
            {name: decisions.best(name, weighting, but=self._skips[name]) for name in names}
            for names in (skipped[:too_many], skipped)
        ]

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
