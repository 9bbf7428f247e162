"""The loop that people write, on any study file: Optuna's own sampler, a ``DataLoader``, no pruning.

It is what real.py starts for ``optuna:SAMPLER``, one process for each worker.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import optuna
import torch
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from torch.utils.data import DataLoader, TensorDataset

from optnas import Study
from optnas.run.files import load_study

__all__ = ["OWN_SAMPLERS", "main"]

OWN_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),  # what a study of Optuna has without more ado
    "nsga2": lambda seed: NSGAIISampler(seed=seed),
    "gp": lambda seed: GPSampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}
_OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


def objective_of(study: Study, until: float) -> Callable[[optuna.Trial], list[float]]:
    """Return an objective function that trains what ``study`` suggests, in a plain way."""
    assert study.task is not None
    task, parts = study.task, study.task.data.splits
    train = TensorDataset(parts.prepare(parts.train.x), parts.train.y)
    held_out, targets = parts.prepare(parts.validation.x), parts.validation.y

    def objective(trial: optuna.Trial) -> list[float]:
        candidate = study.suggest(trial)
        training = candidate.training
        costs = study.costs(candidate)
        for limit in study.constraints:
            if limit.violation(costs) > 0:
                raise optuna.TrialPruned
        model = candidate.architecture.build(study.shape, **study.context)
        options: dict[str, float] = {"weight_decay": training.weight_decay}
        if training.optimizer == "sgd":
            options["momentum"] = training.momentum
        optimizer = _OPTIMIZERS[training.optimizer](model.parameters(), lr=training.lr, **options)
        loader = DataLoader(train, batch_size=training.batch_size, shuffle=True)
        steps = training.epochs * len(loader)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, training.lr, total_steps=steps)
        for _ in range(training.epochs):
            model.train()
            for inputs, wanted in loader:
                optimizer.zero_grad()
                task.loss(model(inputs), wanted).backward()
                optimizer.step()
                scheduler.step()
            if time.time() > until:
                raise optuna.TrialPruned
        model.eval()
        with torch.no_grad():
            found = {**costs, **task.measure(model(held_out), targets)}
        values = [each.metric(found) for each in study.objectives]
        if not all(map(math.isfinite, values)):
            raise optuna.TrialPruned
        return values

    return objective


def main(reference: str, url: str, sampler: str, seed: int, seconds: float) -> None:
    """Search for so many seconds."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)
    study = load_study(reference)
    torch.manual_seed(seed)
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})
    opened = optuna.create_study(
        study_name=study.name,
        storage=storage,
        directions=study.directions,
        sampler=OWN_SAMPLERS[sampler](seed),
        load_if_exists=True,
    )
    until = time.time() + seconds
    objective = objective_of(study, until)
    while time.time() < until:
        opened.optimize(objective, n_trials=1, catch=(Exception,))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
