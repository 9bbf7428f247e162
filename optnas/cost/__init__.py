"""What an architecture costs: exactly, from the tree; and what only the built network tells, measured.

The second half (``optnas.measure.measuring``) builds and trains, and is imported by those who need it.
"""

from optnas.cost.cost import COSTS, Cost
from optnas.cost.counted import counted

__all__ = ["COSTS", "Cost", "counted"]
