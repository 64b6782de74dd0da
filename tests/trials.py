"""How hard the promises are tried: a few times by `./dev test`, many times and with fresh dice by `./dev soak`.

Mark the test of a promise with `@pytest.mark.promise(number=1)`, take counts from `trials` and chance from `dice`, and say with
pytest's own `record_property` what was tried: the soak adds it up.
"""

import os
import time
from collections.abc import Callable
from random import Random

TIMES = int(os.environ.get("EXTRA_MILE_TIMES", "1"))
SEED = int(os.environ.get("EXTRA_MILE_SEED", "20261122"))


def trials(quick: int) -> int:
    """How often: `quick` times in the quick form, a multiple of it in the long one."""
    return quick * TIMES


def dice(name: str) -> Random:
    """Chance that the same seed repeats; another name throws other dice."""
    return Random(f"{SEED}/{name}")


def eventually(holds: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether something comes to hold within so long."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
