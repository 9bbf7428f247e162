"""Every architecture of every ready space builds, runs, and costs exactly what is counted.

``OPTNAS_TEST_ARCHITECTURES=2000`` tests that many of each space instead of 5 (about an hour).
"""

from __future__ import annotations

import os
import random

import pytest

from optnas import parse, spaces
from optnas.space import Node, SpaceError
from tests.ops.helpers import assert_sound

ARCHITECTURES = int(os.environ.get("OPTNAS_TEST_ARCHITECTURES", "5"))

IMAGE = ((3, 16, 16), {"outputs": 10})
TOKENS = ((9,), {"vocabulary": 30, "outputs": 4})
FEATURES = ((9, 6), {"outputs": 4})

SPACES: dict[str, tuple[Node, tuple[tuple[int, ...], dict[str, int]]]] = {
    "chain": (spaces.chain(), IMAGE),
    "chain on a point": (spaces.chain(), ((1, 1, 1), {"outputs": 2})),
    "darts": (spaces.darts(), IMAGE),
    "darts, narrow, odd image": (spaces.darts(width=4, cells=5), ((1, 13, 11), {"outputs": 10})),
    "mlp": (spaces.mlp(), ((30,), {"outputs": 2})),
    "mobile": (spaces.mobile(), IMAGE),
    "nasbench201": (spaces.nasbench201(), IMAGE),
    "recurrent": (spaces.recurrent(), TOKENS),
    "recurrent on features": (spaces.recurrent(tokens=False), FEATURES),
    "recurrent language": (spaces.recurrent("language_modelling"), TOKENS),
    "resnet": (spaces.resnet(), IMAGE),
    "transformer": (spaces.transformer(), TOKENS),
    "transformer on features": (spaces.transformer(tokens=False), FEATURES),
    "transformer language": (spaces.transformer("language_modelling"), TOKENS),
}


@pytest.mark.parametrize("name", SPACES)
def test_every_architecture_runs_and_costs_what_is_counted(name):
    space, (shape, context) = SPACES[name]
    rng = random.Random(name)
    for index in range(ARCHITECTURES):
        architecture = space.sample(rng)
        # Recurrence and attention have other kernels in training than in evaluation.
        assert_sound(architecture, shape, train=index % 2 == 0, **context)


@pytest.mark.parametrize("name", SPACES)
def test_texts_and_parameters_read_back(name):
    space, _ = SPACES[name]
    assert parse(str(space)) == space
    rng = random.Random(name)
    for _ in range(10):
        architecture = space.sample(rng)
        assert parse(str(architecture)) == architecture
        params = space.params(architecture)
        assert space.close(params) == architecture
        assert set(params) <= set(space.distributions())
        assert space.close(params).key == parse(str(architecture)).key == architecture.key


@pytest.mark.parametrize("name", SPACES)
def test_names_are_words_that_people_read(name):
    space, _ = SPACES[name]
    for parameter, distribution in space.distributions().items():
        assert len(parameter) <= 30
        assert not any(word.isdigit() for word in parameter.split("."))
        for choice in getattr(distribution, "choices", ()):
            assert len(str(choice)) <= 40


def test_sizes_are_those_of_the_papers():
    assert spaces.nasbench201().size() == 15_625
    # Eight ops on each edge of a pair of states: section 3.1 and appendix A.2 of the paper.
    pairs = 1 * 3 * 6 * 10
    assert spaces.darts().size() == (pairs * 8**8) ** 2


def test_what_no_ready_space_is_for_is_said():
    with pytest.raises(SpaceError, match="language_modelling"):
        spaces.recurrent("translation")
    with pytest.raises(SpaceError, match="language_modelling"):
        spaces.transformer("translation")
    with pytest.raises(SpaceError, match="divide"):
        spaces.transformer(heads=(3,))


def test_language_models_do_not_look_ahead():
    import torch

    for space in (spaces.recurrent("language_modelling"), spaces.transformer("language_modelling")):
        module = space.sample(1).build((9,), vocabulary=30).eval()
        tokens = torch.randint(30, (1, 9))
        changed = tokens.clone()
        changed[:, 6:] = (changed[:, 6:] + 1) % 30
        before, after = module(tokens), module(changed)
        assert torch.allclose(before[:, :6], after[:, :6], atol=1e-5)
