"""Fréchet distance of generated samples from real ones, on features learned of the training part."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import torch
from torch import Tensor, nn

from optnas.data import Data
from optnas.data.data import Split
from optnas.errors import UserError
from optnas.tasks._torchmetrics import torchmetrics

__all__ = ["Real"]

_CENTROIDS = 32
# Of a larger training part so many samples.
_MOST_SAMPLES = 5_000


class _Triangle(nn.Module):
    """Features of samples: how much nearer than the mean centroid each centroid is (Coates et al. 2011)."""

    def __init__(self, centroids: Tensor) -> None:
        super().__init__()
        self.centroids = centroids
        self.num_features = len(centroids)  # which torchmetrics asks for

    def forward(self, x: Tensor) -> Tensor:
        far = torch.cdist(x, self.centroids)
        return (far.mean(dim=1, keepdim=True) - far).clamp(min=0)


@dataclasses.dataclass(frozen=True, eq=False)
class Real:
    """The samples that a generator learns from, and the distance of others to them.

    Attributes:
        data: Data of numbers, held in memory; its targets are not used.
    """

    data: Data

    def part(self, name: str) -> Tensor:
        """Return the samples of a part as networks take them, shape (samples, …)."""
        splits = self.data.splits
        x: Tensor = splits.prepare(getattr(splits, name).x)
        return x

    def distance(self, made: Tensor, real: Tensor) -> float:
        """Return the Fréchet distance of ``made`` and ``real`` samples (Heusel et al. 2017), 0 if alike.

        Features are those of k-means on the training part, as networks for photographs see little in other
        data.
        """
        metric = torchmetrics("image.fid").FrechetInceptionDistance(feature=self._features)
        metric = metric.to("cpu")
        for samples, kind in ((real, True), (made, False)):
            metric.update(samples.flatten(1).double().cpu(), real=kind)
        return max(0.0, float(metric.compute()))

    @cached_property
    def _features(self) -> _Triangle:
        from sklearn.cluster import KMeans

        with torch.inference_mode(False):
            x = self.part("train")[:_MOST_SAMPLES].flatten(1).double()
            means = KMeans(min(_CENTROIDS, len(x)), n_init=1, random_state=0).fit(x.numpy()).cluster_centers_
            return _Triangle(torch.from_numpy(means).double())

    @cached_property
    def gaussian(self) -> float:
        """The distance of samples of a Gaussian that is fitted to the training part."""
        x = self.part("train").flatten(1).double()
        real = self.part("validation")
        centred = x - x.mean(dim=0)
        values, vectors = torch.linalg.eigh(centred.T @ centred / (len(x) - 1))
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(len(real), x.shape[1], generator=generator, dtype=torch.double)
        return self.distance(x.mean(dim=0) + (noise * values.clamp(min=0).sqrt()) @ vectors.T, real)

    @cached_property
    def mean(self) -> float:
        """The distance of samples that are all the mean of the training part."""
        real = self.part("validation")
        return self.distance(self.part("train").mean(dim=0, keepdim=True).expand_as(real), real)

    def check(self) -> None:
        splits = self.data.splits
        parts = (splits.train, splits.validation)
        if not all(isinstance(part, Split) and isinstance(part.x, Tensor) for part in parts):
            raise UserError(f"data {self.data.name!r}: a generator learns from one tensor, held in memory")
        if not self.part("train")[:1].is_floating_point():
            raise UserError(f"data {self.data.name!r}: a generator learns from numbers, not from symbols")
        if len(splits.validation) < 2:
            raise UserError(f"data {self.data.name!r}: one validation sample has no spread to compare with")
        torchmetrics("image.fid")
