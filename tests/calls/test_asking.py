"""A reranker that is in no run asks by itself, and can be in two runs at once."""

import pytest

from rerank_eval.calls.client import ApiClient
from tests.calls.endpoints import ENDPOINTS, KEY, KEY_ENV, WAYS
from tests.fakes import make_request


@pytest.mark.parametrize("kind", ENDPOINTS)
def test_asking_by_itself_or_in_a_run_changes_nothing_in_the_reranker(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries are scored from several threads."""
    monkeypatch.setenv(KEY_ENV, KEY)
    way = WAYS[kind]
    with way.server() as server:
        alone = way.make_reranker(server.url, {})
        before = dict(vars(alone))
        assert list(alone.score(make_request()).values) == way.right(make_request())
        assert vars(alone) == before
        in_run = alone.with_calls(ApiClient())
        assert type(in_run) is type(alone)
        assert list(in_run.score(make_request()).values) == way.right(make_request())
        assert vars(alone) == before
    assert len(server.asked) == 2
