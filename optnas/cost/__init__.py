"""The exact costs of an architecture, counted from its tree.

Costs of the built network are measured in ``optnas.measure.measuring``, which builds and trains it; import
that module only if it is needed.
"""

from optnas.cost.cost import COSTS, Cost
from optnas.cost.flop_counter import counted

__all__ = ["COSTS", "Cost", "counted"]
