"""Sends calls over HTTP: bounded bodies, several tries, waits that the server asks for.

A retry waits a random time between 0 and an exponentially growing bound ("full jitter"), so that
requests which failed together do not come back together.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

import httpx

from ... import __version__
from ...types import Image, Json
from .answers import Answer, parse_json, read_answer
from .calls import Call
from .faults import Censor, Fault, status_fault
from .flow import Flow
from .media import MAX_OUTPUT_BYTES, checked_image
from .options import Options

MAX_TEXT_BYTES = 16 * 2**20  # of a body that holds text
_ERROR_BYTES = 64 * 2**10  # read of a body that explains an error
_CONNECT_SECONDS = 15.0
_FIRST_BOUND, _LAST_BOUND = 0.5, 30.0  # seconds, of the random wait before a retry
_SLACK = 0.001

Reader: TypeAlias = Callable[[Call, bytes, Censor], Answer]


class Client:
    """The server, as one event loop sees it. Make it and use it inside that loop."""

    def __init__(self, options: Options, censor: Censor, flow: Flow) -> None:
        self._options = options
        self._censor = censor
        self._flow = flow
        headers = {
            "User-Agent": f"mio-eval/{__version__}",
            "Accept-Encoding": "identity",  # so that a body's size is what is sent
        }
        if options.key:
            headers["Authorization"] = f"Bearer {options.key.reveal()}"
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(options.timeout, connect=min(_CONNECT_SECONDS, options.timeout)),
            limits=limits,
            follow_redirects=False,  # a redirect could take the key elsewhere
            trust_env=not options.local,
        )
        self._random = random.Random()  # noqa: S311  # spreads retries, guards nothing

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def models(self) -> list[Json]:
        """Return what the server lists at /models. Raises Fault."""
        status, headers, body = await self._send("GET", f"{self._options.base_url}/models")
        if not 200 <= status < 300:
            raise self._status(status, headers, body)
        try:
            data = parse_json(body)
        except ValueError as error:
            raise Fault("BadResponse", f"no JSON: {error}") from error
        rows = data.get("data") if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise Fault("BadResponse", "a JSON without a list of models")
        return [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]

    async def ask(self, call: Call, read: Reader = read_answer) -> Answer:
        """Answer a call, with as many tries as are allowed. Raises Fault, or what `read` raises."""
        clock = asyncio.get_running_loop().time
        end = 0.0
        tries = 0
        usage: dict[str, int] = {}
        while True:
            async with self._flow.turn() as began:
                end = end or began + self._options.deadline
                seconds = min(self._options.timeout, end - began)
                result = await self._once(call, read, seconds)
                if isinstance(result, Answer):
                    self._flow.succeeded()
                elif result.overload:
                    self._flow.overloaded(began)
                    if result.wait is not None and clock() + result.wait < end:
                        self._flow.pause(result.wait)
            tries += 1
            usage = _add(usage, result.usage)
            if tries > 1:
                usage["retries"] = tries - 1
            if isinstance(result, Answer):
                return replace(result, usage=usage)
            result.usage = usage
            wait = self._wait(result, tries)
            if not result.retry or tries > self._options.retries or clock() + wait >= end:
                raise self._given_up(result, tries, wait)
            await asyncio.sleep(wait)

    async def _once(self, call: Call, read: Reader, seconds: float) -> Answer | Fault:
        """Try a call once, for so many seconds at most."""
        if seconds <= _SLACK:
            return Fault("Timeout", f"no answer within {self._options.deadline:g} s (deadline=)")
        try:
            async with asyncio.timeout(seconds):
                return await self._answer(call, read)
        except TimeoutError:
            message = f"no answer within {seconds:.3g} s (timeout=, deadline=)"
            return Fault("Timeout", message, retry=True, overload=True)
        except httpx.TimeoutException as error:
            message = f"the server is silent ({type(error).__name__})"
            return Fault("Timeout", message, retry=True, overload=True)
        except httpx.HTTPError as error:
            said = self._censor.message(str(error)) or "the connection broke"
            return Fault("ConnectionError", f"{type(error).__name__}: {said}", retry=True)
        except Fault as fault:
            return fault

    async def _answer(self, call: Call, read: Reader) -> Answer:
        status, headers, body = await self._send(
            "POST",
            f"{self._options.base_url}{call.path}",
            call,
            MAX_TEXT_BYTES if call.want == "text" else MAX_OUTPUT_BYTES * 3 // 2,
        )
        if not 200 <= status < 300:
            raise self._status(status, headers, body)
        # Decoding a picture or a sound must not hold up the other requests.
        answer = await asyncio.to_thread(read, call, body, self._censor)
        if answer.image_url:
            return replace(answer, output=await self._fetch_image(answer.image_url))
        return answer

    async def _fetch_image(self, address: str) -> Image:
        """Fetch an image by its address, from the API's own server alone, without the key."""
        try:
            url = urljoin(f"{self._options.base_url}/", address)
            same = _origin(url) == _origin(self._options.base_url)
            httpx.URL(url)
        except (ValueError, httpx.InvalidURL):
            same = False
        if not same:
            raise Fault(
                "ForeignAddress",
                "the server gave the image as an address on another server, which is not "
                "fetched; image_format=b64_json asks for the image itself",
            )
        status, headers, body = await self._send("GET", url, limit=MAX_OUTPUT_BYTES, with_key=False)
        if not 200 <= status < 300:
            raise self._status(status, headers, body)
        return await asyncio.to_thread(checked_image, body)

    async def _send(
        self,
        method: str,
        url: str,
        call: Call | None = None,
        limit: int = MAX_TEXT_BYTES,
        with_key: bool = True,
    ) -> tuple[int, httpx.Headers, bytes]:
        request = self._http.build_request(method, url)
        if call is not None and call.upload is not None:
            upload = (call.upload.name, call.upload.data, call.upload.mime)
            request = self._http.build_request(method, url, data=call.form, files={"file": upload})
        elif call is not None:
            kind = {"Content-Type": "application/json"}
            request = self._http.build_request(method, url, content=call.body, headers=kind)
        if not with_key:
            request.headers.pop("Authorization", None)
        response = await self._http.send(request, stream=True)
        try:
            body = await self._body(response, limit)
        finally:
            await response.aclose()
        return response.status_code, response.headers, body

    async def _body(self, response: httpx.Response, limit: int) -> bytes:
        """Read a body up to a limit. Raises Fault over it; of an error, the start is enough."""
        ok = 200 <= response.status_code < 300
        limit = limit if ok else _ERROR_BYTES
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                if ok:
                    raise Fault("TooLarge", f"the answer is larger than {limit >> 20} MiB")
                break
        return b"".join(chunks)[:limit]

    def _status(self, status: int, headers: httpx.Headers, body: bytes) -> Fault:
        wait = retry_after(headers.get("retry-after"))
        return status_fault(status, body, wait, parse_json, self._censor)

    def _wait(self, fault: Fault, tries: int) -> float:
        """Choose how long to wait before the next try."""
        bound = min(_LAST_BOUND, _FIRST_BOUND * 2 ** (tries - 1))
        jitter = self._random.uniform(0, bound)
        return jitter if fault.wait is None else fault.wait + min(jitter, 1.0)

    def _given_up(self, fault: Fault, tries: int, wait: float) -> Fault:
        if not fault.retry:
            return fault
        why = f"{tries} tries"
        if tries <= self._options.retries:
            why = f"{tries} tries, the next only in {wait:.0f} s, over deadline={self._deadline}"
        fault.message = f"{fault.message} ({why})" if tries > 1 or "next" in why else fault.message
        return fault

    @property
    def _deadline(self) -> str:
        return f"{self._options.deadline:g}"


def retry_after(value: str | None) -> float | None:
    """Read a Retry-After header: seconds, or an HTTP date (RFC 9110, 10.2.3). None without one."""
    if value is None:
        return None
    value = value.strip()
    with contextlib.suppress(ValueError, OverflowError):
        seconds = float(value)
        return max(0.0, seconds) if seconds == seconds else None  # noqa: PLR0124  # not NaN
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        when = parsedate_to_datetime(value)
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    return None


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


def _add(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}
