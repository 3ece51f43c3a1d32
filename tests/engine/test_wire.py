"""What goes between processes comes back whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mio_eval.engine.wire import (
    NotHereError,
    pack_request,
    pack_response,
    unpack_request,
    unpack_response,
)
from mio_eval.types import Failure, Image, Request, Response, Text


@pytest.mark.parametrize(
    "response",
    [
        Response("a", Text("yes"), None, 0.5, {"new_tokens": 3}, {"frames": {"indices": [0, 9]}}),
        Response("b", failure=Failure("generate", "ValueError", "no"), details={"why": "length"}),
    ],
)
def test_a_response_comes_back_with_its_details(response: Response) -> None:
    assert unpack_response(pack_response(response)) == response


def test_another_file_of_that_name_and_size_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"first")
    request = Request("a", (Image(path),), "text")
    packed = pack_request(request, ship=False)
    assert _first(unpack_request(packed)) == b"first"
    path.write_bytes(b"other")
    os.utime(path, ns=(0, 0))  # as on another machine
    with pytest.raises(NotHereError):
        unpack_request(packed)
    shipped = pack_request(request, ship=True)
    path.unlink()
    assert _first(unpack_request(shipped)) == b"other"


def _first(request: Request) -> bytes:
    (part,) = request.parts
    assert isinstance(part, Image)
    return part.read()
