"""What every search strategy of the package keeps to, whatever it searches by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)
from optuna.trial import Trial, TrialState

from optnas.samplers import make_sampler
from optnas.samplers.domain import FlatDomain
from optnas.study_domain import StudyDomain
from optnas.trials.record import KEY
from tests.samplers.studies import continued, killed_after, mixed, mixed_pair, params_of, run

STRATEGIES = ["cmaes", "evolution", "local", "reinforce"]
PAIR = ["minimize", "minimize"]


class TestConformance(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture(params=STRATEGIES)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: make_sampler(request.param, seed=0)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of studies whose process was killed in the middle of trial 28."""
    return killed_after(28, STRATEGIES, tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("objectives", [1, 2])
def test_a_study_killed_in_mid_trial_goes_on_as_if_it_had_not_been(
    name: str, objectives: int, killed: Path
) -> None:
    objective = mixed if objectives == 1 else mixed_pair
    whole = run(make_sampler(name, seed=1), objective, trials=40, directions=["minimize"] * objectives)
    assert params_of(continued(killed, name, objectives, trials=40)) == params_of(whole)


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_candidate_is_proposed_twice_while_others_are_left(name: str) -> None:
    def pick(trial: Trial) -> float:
        return float(sum(trial.suggest_categorical(option, [0, 1, 2]) for option in "abcd"))

    study = run(make_sampler(name, seed=0), pick, trials=1)
    study.optimize(pick, n_trials=80)
    assert len({tuple(params.items()) for params in params_of(study)}) == 3**4


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("workers", [1, 16])
def test_a_study_ends_though_a_third_of_its_trials_are_pruned_or_fail(name: str, workers: int) -> None:
    study = run(make_sampler(name, seed=0), mixed_pair, trials=3, directions=PAIR)
    running = []
    while len(study.trials) < 103:
        running.append(study.ask())
        if len(running) < workers:
            continue
        trial = running.pop(len(study.trials) % len(running))
        values = mixed_pair(trial)
        state = {0: TrialState.PRUNED, 1: TrialState.FAIL}.get(trial.number % 6)
        study.tell(trial, None if state else values, state=state)


@pytest.mark.parametrize("name", STRATEGIES)
def test_threads_that_share_a_sampler_do_not_disturb_each_other(name: str) -> None:
    study = run(make_sampler(name, seed=0), mixed_pair, trials=1, directions=PAIR)
    study.optimize(mixed_pair, n_trials=80, n_jobs=8)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)


@pytest.mark.parametrize("name", STRATEGIES)
def test_parameters_of_enqueued_trials_are_kept_and_learned_from(name: str) -> None:
    def eights(trial: Trial) -> float:
        return -float(sum(trial.suggest_categorical(name, range(9)) == 8 for name in "abcdef"))

    study = run(make_sampler(name, seed=0), eights, trials=0)
    study.enqueue_trial(dict.fromkeys("abcdef", 8))
    study.optimize(eights, n_trials=60)
    assert study.trials[0].value == -6
    # One in nine of all candidates at random are so.
    assert sum(trial.params["a"] == 8 for trial in study.trials) > 20


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_maximised_and_the_same_minimised_is_searched_alike(name: str) -> None:
    down = run(make_sampler(name, seed=0), mixed, trials=40)
    up = run(make_sampler(name, seed=0), lambda t: -mixed(t), trials=40, directions=["maximize"])
    assert params_of(down) == params_of(up)


@pytest.mark.parametrize("name", STRATEGIES)
def test_conditional_parameters_are_proposed_with_what_needs_them(name: str) -> None:
    from optnas import choose, integer, ops
    from optnas.space.closing import Closing, distributions

    space = ops.seq(choose(ops.identity(), ops.conv(integer(1, 8, name="width")), name="op"))

    class Tree(FlatDomain):
        def decided(self, decide):  # type: ignore[no-untyped-def]
            closing = Closing(decide)
            closing.close(space)
            return closing.decided

    sampler = make_sampler(name, seed=0, domain=Tree(distributions(space)))
    study = run(sampler, lambda t: 0.0, trials=0)
    for _ in range(9):  # that many there are
        trial = study.ask()
        closed = space.suggest(trial)
        study.tell(trial, float(len(str(closed))))
    assert len({tuple(params.items()) for params in params_of(study)}) == 9


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_architecture_by_another_name_is_not_proposed_while_others_are_left(name: str) -> None:
    """Layers that do nothing leave five architectures of thirty sets of parameters."""
    import optnas
    from optnas import choose, ops, repeat

    study = optnas.Study(
        name="layers",
        space=ops.seq(repeat(choose(ops.identity(), ops.conv(8), name="op"), 1, 4, name="layer"), ops.head()),
        evaluate=lambda candidate, report: {"accuracy": 0.5},
        objectives=[optnas.maximize("accuracy"), optnas.minimize("flops")],
        shape=(1, 8, 8),
        context={"outputs": 2},
    )
    searched = optuna.create_study(
        directions=["maximize", "minimize"], sampler=make_sampler(name, 0, StudyDomain(study))
    )
    searched.optimize(study.objective, n_trials=5)
    assert len({KEY.of(trial) for trial in searched.trials}) == 5
