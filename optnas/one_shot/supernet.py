"""Supernets: one network whose weights all architectures of a search space share."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from torch import Tensor, nn

from optnas.one_shot.mixed import mixture_modules
from optnas.one_shot.path import OnSharedWeights
from optnas.one_shot.placed import Placing, mixtures, summed
from optnas.one_shot.sharing import unshared
from optnas.one_shot.traced import Traced, traced
from optnas.one_shot.weights import SharedWeights
from optnas.space import Node, Site, SpaceError
from optnas.space.closing import decide_from, draw, holes
from optnas.space.holes import Hole
from optnas.space.shapes import AnyShape

__all__ = ["Supernet", "supernet"]

_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.LocalResponseNorm,
)
_TRIED_FOR_NORMS = 10

# Random architectures in a row that ask for no weight that is not there yet, until a space counts as seen.
_NOTHING_NEW = 12
_MOST_SEEN = 400

# Values of a real or of a long integer parameter between which gradients decide.
_GRID = 8


def supernet(space: Node, shape: AnyShape, *, seed: int = 0, **context: Any) -> Supernet:
    """Make the network whose weights all architectures of ``space`` share.

    A weight belongs to a place of the space. Widths and kernels are cut out of the largest (kernels from its
    middle), copies of a repetition that are not there are skipped, and each option of a choice between layers
    has weights of its own. :attr:`Supernet.unshared` says what cannot be shared, and why.

    Args:
        space: The search space.
        shape: The input's shape without the batch.
        seed: Seed of the first weights.
        context: Values for op arguments left at ``None``, such as ``outputs=10``.

    Raises:
        SpaceError: If no architecture of the space can be built on ``shape``.

    >>> from optnas import choose, ops, one_shot
    >>> space = ops.seq(ops.conv(choose(4, 8, name="width")), ops.norm(), ops.relu(), ops.head())
    >>> net = one_shot.supernet(space, (1, 8, 8), outputs=3)
    >>> net.path(space.close({"width": 4}))(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 3])
    >>> sum(weight.numel() for weight in net.parameters())
    115
    """
    return Supernet(space, shape, context, seed)


class Supernet(nn.Module):
    """Network whose weights all architectures of a search space share.

    Attributes:
        space: The search space.
        shape: The input's shape without the batch.
        context: Values for op arguments left at ``None``.
        weights: The shared weights.
        holes: The open parameters of the space by name.
        values: The values of each parameter between which gradients or samples decide.
    """

    def __init__(self, space: Node, shape: AnyShape, context: Mapping[str, Any], seed: int) -> None:
        super().__init__()
        self.space, self.shape, self.context = space, shape, dict(context)
        self.holes: dict[str, Hole] = holes(space)
        self.values = {name: values_of(hole.distribution) for name, hole in self.holes.items()}
        self.weights = SharedWeights()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._see(random.Random(seed))

    @cached_property
    def unshared(self) -> dict[str, str]:
        """Why the values of a parameter do not share weights, by its name; all others do."""
        with torch.random.fork_rng(devices=[]):
            return unshared(self.space, self.shape, self.context, self.values)

    @cached_property
    def unmixed(self) -> dict[str, str]:
        """Why a choice between layers cannot be a mixture of them, by its name: it is drawn instead."""
        tried = {name: self._cannot_mix(name) for name in mixtures(self.space)}
        return {name: why for name, why in tried.items() if why is not None}

    @cached_property
    def mixable(self) -> tuple[str, ...]:
        """The names of choices between layers, and of repetitions, that can be mixtures of their options."""
        return tuple(name for name in mixtures(self.space) if name not in self.unmixed)

    def _cannot_mix(self, name: str) -> str | None:
        rng = random.Random(0)
        try:
            placing = Placing(lambda _, distribution: _largest(distribution, rng), [name])
            Site.of(self.shape, self.context).cost(placing.placed(self.space))
        except SpaceError as error:
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            return str(cause)
        return None

    def path(self, architecture: Node | Mapping[str, Any]) -> OnSharedWeights:
        """Return the network of an architecture of the space, on the supernet's weights.

        Args:
            architecture: The architecture, or its parameters.

        Raises:
            SpaceError: If it is none of the space, or cannot be built.
        """
        if isinstance(architecture, Node):
            architecture = self.space.params(architecture)
        network, _ = self._traced(architecture)
        return OnSharedWeights(self.weights, network.module, self.weights.slices(network))

    def drawn(self, rng: random.Random) -> dict[str, Any]:
        """Draw a value of each parameter evenly."""
        return {name: rng.choice(values) for name, values in self.values.items()}

    @cached_property
    def gateable(self) -> tuple[str, ...]:
        """The names of choices between layers whose outputs are summed with those of others, without norms.

        A norm after a sum hides a factor of all of it: what is left of its gradient says only which part of
        the sum is small, and all parts but one come to be chosen away.
        """
        if self._has_norms():
            return ()
        found = summed(self.space)
        return tuple(name for name in mixtures(self.space) if name in found)

    def _has_norms(self) -> bool:
        rng = random.Random(0)
        for _ in range(_TRIED_FOR_NORMS):
            try:
                network = self.path(self.drawn(rng))
            except SpaceError:  # cannot be built
                continue
            if any(isinstance(part, _NORMS) for part in network.modules()):
                return True
        return False

    def relaxed(
        self,
        params: Mapping[str, Any],
        *,
        gates: Mapping[str, Callable[[], Tensor]] | None = None,
        mixed: Iterable[str] = (),
        probabilities: Callable[[str], Tensor] | None = None,
    ) -> OnSharedWeights:
        """Return a network through which gradients arrive at choices between layers.

        Args:
            params: Parameters of the space.
            gates: For each choice that was drawn and learns: returns the factor of what the layer that was
                taken puts out, a number 1 whose gradient says how the loss changes with the layer's weight.
            mixed: The names of choices whose options all stay, in a mixture.
            probabilities: Returns for the name of a mixed choice the probabilities of its options.
        """
        network, acts_on = self._traced(params, mixed)
        made = OnSharedWeights(self.weights, network.module, self.weights.slices(network))
        for name, gate in (gates or {}).items():
            for place in dict.fromkeys(acts_on.get(name, ())):
                for module in network.at.get(place or "", ()):
                    module.register_forward_hook(_multiplied(gate))
        for mixture in mixture_modules(network.module):
            assert probabilities is not None
            mixture.probabilities = probabilities
        return made

    def _traced(
        self, params: Mapping[str, Any], mixed: Iterable[str] = ()
    ) -> tuple[Traced, dict[str, list[str | None]]]:
        placing = Placing(decide_from(params), mixed)
        tree = placing.placed(self.space)
        return traced(tree, self.shape, **self.context), placing.acts_on

    def _see(self, rng: random.Random) -> None:
        """Build architectures until all weights are there, each as large as any needs."""
        known, nothing_new, failed, why = -1, 0, 0, ""
        largest: list[Callable[[str, BaseDistribution], Any]] = [
            lambda _, distribution: _largest(distribution, rng)
        ]
        for _ in range(_MOST_SEEN):
            decide = largest[0] if nothing_new % 2 == 0 else lambda _, distribution: draw(distribution, rng)
            try:
                placing = Placing(decide)
                network = traced(placing.placed(self.space), self.shape, **self.context)
            except SpaceError as error:
                failed, why = failed + 1, str(error)
                if failed == _MOST_SEEN:
                    break
                continue
            self.weights.slices(network)
            total = sum(parameter.numel() for parameter in self.weights.parameters())
            nothing_new = nothing_new + 1 if total == known else 0
            known = total
            if nothing_new == _NOTHING_NEW:
                return
        if known < 0:
            raise SpaceError(f"no architecture of the space can be built on {self.shape}: {why}")


def values_of(distribution: BaseDistribution) -> tuple[Any, ...]:
    """Return the values of a parameter between which to decide; of many numbers a few at equal distances."""
    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices)
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    step, log = distribution.step, distribution.log  # type: ignore[attr-defined]
    if isinstance(low, int) and isinstance(high, int) and (high - low) // step < 2 * _GRID and not log:
        return tuple(range(low, high + 1, step))
    if low == high:
        return (low,)
    shares = [index / (_GRID - 1) for index in range(_GRID)]
    spread = [low * (high / low) ** share if log else low + share * (high - low) for share in shares]
    if isinstance(low, int):
        return tuple(dict.fromkeys(low + round((value - low) / step) * step for value in spread))
    if step is not None:
        return tuple(dict.fromkeys(low + round((value - low) / step) * step for value in spread))
    return tuple(min(max(value, low), high) for value in spread)


def _largest(distribution: BaseDistribution, rng: random.Random) -> Any:
    """Return the largest number of a distribution; of other choices a random one."""
    if not isinstance(distribution, CategoricalDistribution):
        return distribution.high  # type: ignore[attr-defined]
    numbers = [
        each for each in distribution.choices if isinstance(each, int | float) and not isinstance(each, bool)
    ]
    return max(numbers) if len(numbers) == len(distribution.choices) else rng.choice(distribution.choices)


def _multiplied(gate: Callable[[], Tensor]) -> Callable[..., Any]:
    return lambda module, inputs, output: output * gate() if isinstance(output, Tensor) else output
