"""The digits search inside a hand-written Optuna script: optnas only where it helps.

The space closes itself by the trial's suggestions, costs are exact before anything is built, and
``report`` and ``should_prune`` prune on several objectives, which Optuna alone cannot. The loop is
yours. Forty trials take under a minute:

    python examples/plain_optuna.py --trials 40
"""

import argparse

import optuna
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import optnas
from optnas import choose, ops, real, repeat

width = choose(8, 16, 32, 64, name="width")
kernel = choose(3, 5, name="kernel")
activation = choose(ops.relu(), ops.mish(), ops.swish(beta=real(0.5, 2.0)), name="activation")
op = choose(ops.conv(width, kernel), ops.sepconv(width, kernel), ops.identity(), name="op")
space = ops.seq(repeat(ops.seq(op, ops.norm(), activation), 1, 4, name="layer"), ops.maxpool(2), ops.head(10))

images, labels = load_digits(return_X_y=True)
x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
x_train, x_valid, y_train, y_valid = train_test_split(
    x, torch.tensor(labels), test_size=0.2, stratify=labels, random_state=0
)


def objective(trial: optuna.Trial) -> tuple[float, float]:
    architecture = space.suggest(trial)
    cost = architecture.cost((1, 8, 8))
    if cost.params > 200_000:
        raise optuna.TrialPruned

    torch.manual_seed(trial.number)
    model = architecture.build((1, 8, 8))
    optimizer = torch.optim.Adam(model.parameters(), trial.suggest_float("lr", 1e-3, 3e-2, log=True))
    accuracy = 0.0
    for epoch in range(1, 10):
        model.train()
        for batch in torch.randperm(len(x_train)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x_train[batch]), y_train[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            accuracy = (model(x_valid).argmax(dim=1) == y_valid).float().mean().item()
        if epoch in (1, 3):
            optnas.report(trial, epoch, {"accuracy": accuracy, "flops": cost.flops})
            if optnas.should_prune(trial):
                raise optuna.TrialPruned
    trial.set_user_attr("architecture", str(architecture))
    return accuracy, cost.flops


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=40)
    arguments = parser.parse_args()

    torch.set_num_threads(1)  # small networks train several times faster with one
    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=optuna.samplers.TPESampler(multivariate=True, group=True, seed=0),
        pruner=optnas.ParetoHalvingPruner(),
    )
    study.optimize(objective, n_trials=arguments.trials)
    for trial in sorted(study.best_trials, key=lambda trial: trial.values[1]):
        print(f"{trial.values[0]:.4f}  {trial.values[1]:>12,.0f} FLOPs  {trial.user_attrs['architecture']}")


if __name__ == "__main__":
    main()
