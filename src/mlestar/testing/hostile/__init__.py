"""Scripts that attack an executor's promises, one for each, to be run behind every wall (DESIGN.md §10).

`attacks` reads them from the folder of that name; `assault` runs one and says what became of it. The table in
docs/trust.md is made of that.
"""

from mlestar.testing.hostile.attack import LIMITS, Attack, Verdict, assault, attacks
from mlestar.testing.hostile.world import World

__all__ = ["LIMITS", "Attack", "Verdict", "World", "assault", "attacks"]
