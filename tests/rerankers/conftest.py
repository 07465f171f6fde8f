"""What the tests of rerankers that ask a language model share."""

import pytest

from tests.rerankers.chat_providers import Provider


@pytest.fixture(params=["claude", "openai"])
def provider(request: pytest.FixtureRequest) -> Provider:
    if request.param == "claude":
        pytest.importorskip("anthropic")
    return Provider(request.param)
