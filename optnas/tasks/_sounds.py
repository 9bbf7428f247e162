"""The baseline of transcription: cut a series at silence, and name each sound by the nearest mean."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

__all__ = ["by_nearest_mean", "cut_at_silence"]


def by_nearest_mean(x: Tensor, targets: Tensor, new: Tensor) -> list[list[int]]:
    """Return the symbols of each of ``new``, series (samples, length, features).

    Args:
        x: Series to learn from: those that have as many sounds as symbols show what each symbol is like.
        targets: Their symbols (samples, symbols), filled up with -1.
        new: Series to transcribe.
    """
    loud = _threshold(x)
    sounds, symbols = [], []
    for series, row in zip(x, targets, strict=True):
        pieces, known = cut_at_silence(series, loud), row[row >= 0]
        if len(pieces) == len(known):
            sounds += pieces
            symbols += known.tolist()
    if not sounds:
        return [[] for _ in new]
    there = torch.tensor(sorted(set(symbols)))
    heard, of = torch.stack(sounds), torch.tensor(symbols)
    means = torch.stack([heard[of == symbol].mean(dim=0) for symbol in there])
    found = []
    for series in new:
        pieces = cut_at_silence(series, loud)
        nearest = torch.cdist(torch.stack(pieces), means).argmin(dim=1) if pieces else torch.tensor([]).long()
        found.append(there[nearest].tolist())
    return found


def cut_at_silence(series: Tensor, loud: float) -> list[Tensor]:
    """Return the mean frame of each run of frames that are louder than ``loud``: vectors (features,)."""
    heard = pad((_loudness(series[None])[0] > loud).int(), (1, 1))
    begins, ends = ((heard.diff() == turn).nonzero().flatten().tolist() for turn in (1, -1))
    return [series[begin:end].mean(dim=0) for begin, end in zip(begins, ends, strict=True)]


def _threshold(x: Tensor) -> float:
    """Return the loudness halfway between that of quiet frames and of loud ones, a tenth of all each."""
    order = _loudness(x).flatten().sort().values
    return float((order[len(order) // 10] + order[len(order) * 9 // 10]) / 2)


def _loudness(x: Tensor) -> Tensor:
    """Return how loud each frame of (samples, length, features) is, averaged with both of its neighbours."""
    return avg_pool1d(pad(x.logsumexp(dim=2), (1, 1), mode="replicate"), 3, 1)
