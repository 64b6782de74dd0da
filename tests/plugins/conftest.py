"""A tool that answers pulls, and the client that asks it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.plugins.pulled import Pulled
from tests.plugins.pulls import MAKERS


@pytest.fixture(params=sorted(MAKERS))
def pulled(request: pytest.FixtureRequest) -> Iterator[Pulled]:
    kind, maker = MAKERS[request.param]
    with kind().running() as tool:
        yield maker(tool)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client
