"""The `openai` backend: models behind an HTTP server that speaks OpenAI's API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from ... import __version__
from ...errors import MioEvalError, RunError, UsageError
from ...types import Capability, Failure, Json, Media, Modality, Request, Response
from ..base import Backend, ModelIdentity, describe
from .calls import Call, api_for, make_call, not_sent
from .faults import Censor, Fault
from .options import Api, Options, parse_options
from .preflight import check_server

if TYPE_CHECKING:
    from .client import Client
    from .flow import Flow
    from .loop import LoopThread

GIVE_UP = 12  # requests in a row that the server itself failed, after which the run stops
CONTINUATIONS = "continuations"  # setting of a request whose options are scored
_SEEN = 20  # names of models and fingerprints kept for the run's record
INSTALL = "pip install 'mio-eval[openai]'"
_ANY: tuple[Modality, ...] = ("text", "image", "audio", "video")
_INPUTS: Mapping[Api, tuple[Modality, ...]] = {
    "chat": _ANY,
    "transcriptions": ("audio",),
    "speech": ("text",),
    "images": ("text",),
    "completions": ("text",),
}
_OUTPUTS: Mapping[Api, tuple[Modality, ...]] = {
    "chat": ("text", "audio"),
    "transcriptions": ("text",),
    "speech": ("audio",),
    "images": ("image",),
    "completions": ("text",),
}


def create(**arguments: str) -> OpenAI:
    """Build the backend; one that scores given text where the API can (completions)."""
    options = parse_options(arguments)
    if options.api in (None, "completions"):
        from .scoring import ScoringOpenAI

        return ScoringOpenAI(options)
    return OpenAI(options)


class OpenAI(Backend):
    """Asks a server, many requests at a time; every one is answered once, or failed once."""

    name = "openai"
    streams = True

    def __init__(self, options: Options) -> None:
        self.options = options
        self.capabilities = _capabilities(options.api)
        # A list of requests at once is as good as what the server may have under way.
        self.batch_size = 4 * options.max_concurrency
        self._censor = Censor(options.key)
        self._thread: LoopThread | None = None
        self._client: Client | None = None
        self._flow: Flow | None = None
        self._checked = False
        self._succeeded: set[Api] = set()  # a success shows that key, model and address are right
        self._failing = 0  # requests in a row that the server itself failed
        self._said: set[str] = set()
        self._seen: dict[str, set[str]] = {"model": set(), "fingerprint": set()}

    def identity(self) -> ModelIdentity:
        return ModelIdentity(
            backend=self.name,
            name=self.options.model,
            version=__version__,
            extra=self.options.identity(),
        )

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        api = api_for(inputs, output, self.options)
        self._need_packages(inputs, output)
        spoken = api == "speech" or (api == "chat" and output == "audio")
        if spoken and not self.options.voice:
            raise UsageError(
                "model openai: spoken answers need the name of a voice the server has; "
                "give voice=…, such as voice=alloy"
            )
        if self.options.check and not self._checked:
            check_server(self._loop(), self._connect, self.options, self.say)
        self._checked = True

    def prepare(self, request: Request) -> object:
        if CONTINUATIONS in request.settings:
            return None  # its options will be scored, not answered
        return make_call(request, self.options)

    def cost(self, request: Request) -> float:
        return float(sum(_weight(part) for part in request.parts))

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        from .loop import Feed

        feed = Feed(self._loop(), self._respond, self.options.max_concurrency)
        yield from feed.run(requests)

    def spent(self, totals: Mapping[str, float]) -> Json:
        """What a run's record adds to its token counts: cost, and who the server says it was."""
        record: dict[str, Json] = {}
        price_in, price_out = self.options.price_in, self.options.price_out
        if price_in is not None or price_out is not None:
            tokens_in, tokens_out = totals.get("input_tokens", 0), totals.get("output_tokens", 0)
            value = (tokens_in * (price_in or 0.0) + tokens_out * (price_out or 0.0)) / 1e6
            record["cost"] = {
                "value": value,
                "price_in_per_million": price_in,
                "price_out_per_million": price_out,
            }
        server = {name: sorted(values) for name, values in self._seen.items() if values}
        return record | ({"server": server} if server else {})

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close(None if self._client is None else self._client.close)
        self._thread = self._client = self._flow = None

    def _loop(self) -> LoopThread:
        if self._thread is None:
            try:
                import_module("httpx")
            except ImportError as error:
                raise UsageError(f"model openai needs httpx: {INSTALL}") from error
            from .loop import LoopThread

            self._thread = LoopThread()
        return self._thread

    async def _connect(self) -> Client:
        """Return the client; made in the loop that uses it."""
        if self._client is None:
            from .client import Client
            from .flow import Flow

            self._flow = Flow(self.options.max_concurrency)
            self._client = Client(self.options, self._censor, self._flow)
        return self._client

    async def _respond(self, request: Request) -> Response:
        """Answer one request. Raises RunError or UsageError for what concerns every request."""
        client = await self._connect()
        start = time.perf_counter()
        try:
            ready = request.prepared
            call = ready if isinstance(ready, Call) else await self._make_call(request)
            self._say_dropped(call.api, request.settings)
            try:
                answer = await client.ask(call)
            except Fault as fault:
                return self._failed(request, call, fault)
        except MioEvalError:
            raise
        # The per-sample boundary: whatever one sample does, the others are answered.
        except Exception as error:
            failure = describe(error)
            kept = Failure(failure.stage, failure.type, self._censor.message(failure.message))
            return Response(request.sample_id, failure=kept)
        self._note_success(call.api, answer.details)
        return Response(
            request.sample_id,
            answer.output,
            seconds=time.perf_counter() - start,
            usage=answer.usage,
            details=answer.details,
        )

    async def _make_call(self, request: Request) -> Call:
        return await asyncio.to_thread(make_call, request, self.options)

    def _failed(self, request: Request, call: Call, fault: Fault) -> Response:
        self._note_fault(fault, call.api)
        failure = Failure("generate", fault.kind, fault.message)
        return Response(request.sample_id, failure=failure, usage=fault.usage)

    def _note_success(self, api: Api, details: Mapping[str, Json]) -> None:
        self._succeeded.add(api)
        self._failing = 0
        for name, seen in self._seen.items():
            if name in details and len(seen) < _SEEN:
                seen.add(details[name])

    def _note_fault(self, fault: Fault, api: Api) -> None:
        """Stop the run when the fault is the server's or the user's, not this sample's."""
        if not (fault.everyone or fault.retry):
            self._failing = 0  # the server works: it refused this one request
            return
        self._failing += 1
        if fault.everyone and api not in self._succeeded:
            raise UsageError(_configuration_message(fault, self.options))
        if self._failing >= GIVE_UP:
            raise RunError(
                f"the server at {self.options.base_url} failed {GIVE_UP} requests in a row, the "
                f"last with {fault.kind}: {fault.message}. Everything finished is kept; when the "
                "server works, run the same command again"
            )

    def _say_dropped(self, api: Api, settings: Mapping[str, Json]) -> None:
        for text in not_sent(api, settings, self.options):
            if text not in self._said:
                self._said.add(text)
                self.say(f"not sent to the server: {text}")

    def _need_packages(self, inputs: Sequence[Modality], output: Modality) -> None:
        needed = {
            "image": ("PIL", "image"),
            "video": ("av", "video"),
            "audio": ("soundfile", "speech"),
        }
        for modality in {*inputs, output} & needed.keys():
            module, extra = needed[modality]
            try:
                import_module(module)
            except ImportError as error:
                raise UsageError(
                    f"model openai needs {module} for {modality}: pip install 'mio-eval[{extra}]'"
                ) from error


def _capabilities(api: Api | None) -> frozenset[Capability]:
    if api is not None:
        inputs = frozenset(_INPUTS[api])
        return frozenset(Capability(inputs, output) for output in _OUTPUTS[api])
    anything = frozenset(_ANY)
    return frozenset(
        {
            Capability(anything, "text"),
            Capability(anything, "audio"),
            Capability(frozenset({"text"}), "image"),
        }
    )


def _weight(part: object) -> float:
    """Guess how long a part keeps a server busy: characters, and as many as a medium is worth."""
    if isinstance(part, Media):
        return {"image": 4_000.0, "audio": 4_000.0, "video": 32_000.0}[part.modality]
    return float(len(getattr(part, "text", "")))


def _configuration_message(fault: Fault, options: Options) -> str:
    advice = {
        "HTTP401": "the key is missing or wrong: set OPENAI_API_KEY, or key_env=NAME",
        "HTTP402": "the account cannot pay for it",
        "HTTP403": "the key may not use this model",
        "HTTP429": "the account's quota is spent",
        "HTTP404": "the server has no such model or API: check model=, base_url= (up to /v1) "
        "and api=",
    }
    what = advice.get(fault.kind, "check base_url= (up to /v1) and api=")
    return (
        f"the server at {options.base_url} refused the first request with {fault.kind}: "
        f"{fault.message}; {what}"
    )
