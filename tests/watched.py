"""A study whose trainings say what they do, and end where they are told to."""

from __future__ import annotations

from pathlib import Path

__all__ = ["EPOCHS", "STEPS", "evaluations", "steps", "watched_study"]

EPOCHS, STEPS = 5, 3
"""Of each training: how many epochs, and how many steps an epoch."""

WATCHED = """
import hashlib
import os
import signal
from pathlib import Path

import torch
from optnas import Study, Training, choose, data, integer, maximize, minimize, op, ops, tasks

HERE = Path(__file__).parent
done = []

def note(file, text):
    with (HERE / file).open("a") as lines:
        lines.write(f"{{text}}\\n")

def once():
    try:
        (HERE / "ended").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

@op(name="watched")
class Watched(torch.nn.Module):
    step = 0

    def forward(self, x):
        if x.device.type == "meta":
            return x
        if self.training:
            self.step += 1
            done.append(self.step)
            if self.step == {at} and len(done) > {after} and once():
                os.kill(os.getpid(), signal.{by})
            note("steps", x.shape[1])
        else:  # what it is evaluated on comes of the weights before it
            note("evaluations", hashlib.sha256(x.numpy().tobytes()).hexdigest())
        return x

X = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))

study = Study(
    name="watched",
    space=ops.seq(ops.conv({width}), ops.norm(), ops.relu(), ops.dropout(0.2), Watched(), ops.head()),
    task=tasks.classification(data.tensors(X, X.mean((1, 2, 3)).gt(0.5).long())),
    objectives=[maximize("accuracy"), minimize("loss + 0.001 * params")],
    training=Training(epochs=5, batch_size=40, rungs=(1, 2, 4), hopeless_after=0),
    sampler="random",
    {more}
)
"""


def watched_study(
    folder: Path,
    *,
    width: str = "choose(4, 6)",
    at: int = 0,
    after: int = 0,
    by: str = "SIGKILL",
    more: str = "",
) -> Path:
    """Write the study.

    Args:
        folder: Where; what its trainings do is written there too.
        width: How wide the network is, by which :func:`steps` tells trainings apart.
        at: In which step since its training began, or was gone on with, a process sends itself a signal,
            once ever; 0 for never.
        after: After how many steps in all.
        by: The signal's name.
        more: Further arguments of the study, each with a comma behind it.
    """
    folder.mkdir(exist_ok=True)
    path = folder / "watched.py"
    path.write_text(WATCHED.format(width=width, at=at, after=after, by=by, more=more))
    return path


def steps(folder: Path, width: int | None = None) -> int:
    """Return how many training steps were done, of networks of that width."""
    return sum(width is None or line == str(width) for line in _lines(folder / "steps"))


def evaluations(folder: Path) -> list[str]:
    """Return a digest of each batch that was evaluated, as it was within the network."""
    return _lines(folder / "evaluations")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
