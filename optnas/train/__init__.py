"""Training of a built network, up to its validation metrics."""

from optnas.checkpoints.state import State
from optnas.train.device import cores, default_device, training_environment, use_threads
from optnas.train.loop import Diverged, Report, fit
from optnas.train.training import Training

__all__ = [
    "Diverged",
    "Report",
    "State",
    "Training",
    "cores",
    "default_device",
    "fit",
    "training_environment",
    "use_threads",
]
