"""The exact costs of an architecture, counted from its tree.

Costs of the built network are measured in ``optnas.measure.measuring``, which builds and trains it; import
that module only if it is needed.
"""

from optnas.cost.cost import COSTS, Cost

__all__ = ["COSTS", "Cost"]
