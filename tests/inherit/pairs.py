"""Parents and children of search spaces; the weights of parents are no longer those of a fresh network."""

from __future__ import annotations

import random

import torch

from optnas import spaces
from optnas.inherit.morph import Morph, morph
from optnas.one_shot.placed import Placing
from optnas.one_shot.traced import Traced, traced
from optnas.samplers.domain import Domain, mutated, sampled
from optnas.space.closing import decide_from, holes
from optnas.space.decisions import decided, decisions

SPACES = {
    "chain": (spaces.chain(3, widths=(4, 8, 12)), (1, 8, 8)),
    "darts": (spaces.darts(2, 4, 3), (3, 8, 8)),
    "mlp": (spaces.mlp(3, widths=(8, 12, 16)), (6,)),
    "mobile": (spaces.mobile(((8, 2, 1), (16, 2, 2)), stem_stride=1), (1, 8, 8)),
    "nasbench201": (spaces.nasbench201(4, 1), (3, 8, 8)),
    "recurrent": (spaces.recurrent(tokens=False, widths=(8, 12, 16)), (5, 6)),
    "resnet": (spaces.resnet(8, 2, 2), (3, 8, 8)),
    "transformer": (spaces.transformer(tokens=False, most=2, widths=(8, 16), heads=(1, 2)), (5, 6)),
}


class Parameters(Domain):
    """The parameters of a space."""

    def __init__(self, space):
        self._decisions = decisions(space)
        self._distributions = {name: hole.distribution for name, hole in holes(space).items()}

    @property
    def distributions(self):
        return self._distributions

    def decided(self, decide):
        return decided(self._decisions, decide)


def pair(space, seed):
    """Return the parameters of a random architecture, and those of it with one changed."""
    domain, rng = Parameters(space), random.Random(seed)
    parent = sampled(domain, rng)
    return parent, mutated(domain, parent, rng)


def network(space, params, shape, *, seed=0, outputs=3) -> Traced:
    torch.manual_seed(seed)
    return traced(Placing(decide_from(params)).placed(space), shape, outputs=outputs)


def trained(space, params, shape) -> Traced:
    """Return a network with other weights and statistics than a fresh one, as after training."""
    made = network(space, params, shape)
    with torch.no_grad():
        for weight in made.module.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
        made.module.train()
        for _ in range(3):
            made.module(torch.randn(16, *shape) + 0.3)
    made.module.eval()
    return made


def handed_down(space, parent, child, shape) -> tuple[Morph, float]:
    """Hand weights down; return what came of it, and by how much the outputs differ on other inputs."""
    before, after = trained(space, parent, shape), network(space, child, shape, seed=1)
    made = morph(after, before, torch.randn(32, *shape))
    x = torch.randn(16, *shape) * 1.5
    with torch.no_grad():
        one, other = before.module.eval()(x), after.module.eval()(x)
    return made, float((one - other).abs().max() / one.abs().max().clamp(min=1))
