"""Search on one network whose weights all architectures share."""

from optnas.one_shot.supernet import Supernet, supernet

__all__ = ["Supernet", "supernet"]
