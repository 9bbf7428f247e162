"""Metrics of a constant prediction of classes, from how often each class is the right one."""

from __future__ import annotations

from torch import Tensor

__all__ = ["class_shares", "entropy"]


def class_shares(targets: Tensor) -> Tensor:
    """Return the share of each class from 0 on among targets of any shape; negative ones do not count."""
    counts = targets[targets >= 0].long().bincount()
    return counts / counts.sum()


def entropy(shares: Tensor) -> float:
    """Return the entropy of shares of classes in nats: the least cross-entropy of a constant answer."""
    shares = shares[shares > 0]
    return -(shares * shares.log()).sum().item()
