"""What goes between processes comes back whole."""

from __future__ import annotations

import pytest

from mio_eval.engine.wire import pack_response, unpack_response
from mio_eval.types import Failure, Response, Text


@pytest.mark.parametrize(
    "response",
    [
        Response("a", Text("yes"), None, 0.5, {"new_tokens": 3}, {"frames": {"indices": [0, 9]}}),
        Response("b", failure=Failure("generate", "ValueError", "no"), details={"why": "length"}),
    ],
)
def test_a_response_comes_back_with_its_details(response: Response) -> None:
    assert unpack_response(pack_response(response)) == response
