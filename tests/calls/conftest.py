"""What the tests of calls share."""

import pytest

from tests.calls.endpoints import ENDPOINTS, KEY, KEY_ENV, WAYS, Way


@pytest.fixture(params=ENDPOINTS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Way:
    monkeypatch.setenv(KEY_ENV, KEY)
    if request.param == "claude":
        pytest.importorskip("anthropic")
    return WAYS[request.param]
