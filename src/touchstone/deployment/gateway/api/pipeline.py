"""
The one way of every request to a model.

Model name, idempotency key, guard, recipe, tokens a minute, kept replies, money, upstream, guard, reply: in this order,
whatever route it came by. Whatever happens after money was held, it is settled exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import orjson

from touchstone.deployment.base import Answered, Asked, Endpoint, Key, Ready, Upstream, Usage
from touchstone.deployment.endpoints.fields import Unusable
from touchstone.deployment.endpoints.serving import Serving, Target, may_ask
from touchstone.deployment.gateway.api.account import Account, finish_of, intent_of
from touchstone.deployment.gateway.api.asking import Asking, passed
from touchstone.deployment.gateway.api.base import Books, Chosen, Form, Promise, Request, unusable
from touchstone.deployment.gateway.api.failing import FAILS_OVER, code_of
from touchstone.deployment.gateway.api.heads import Headers, heads, plain
from touchstone.deployment.gateway.api.screens import Screens, Whose
from touchstone.deployment.gateway.api.shadow import Shadows
from touchstone.deployment.gateway.api.streamed import Keeps
from touchstone.deployment.gateway.api.watch import Watch
from touchstone.deployment.gateway.api.whole_events import events_of
from touchstone.deployment.gateway.base import EVENTS, GatewayError, Incoming, Outgoing
from touchstone.deployment.govern.content import ContentLog
from touchstone.deployment.govern.idempotency import request_digest
from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.refusals import MeterDown, Refused
from touchstone.deployment.govern.reply_cache import cache_key
from touchstone.deployment.safety.screen import Screen
from touchstone.errors import InvalidValue, ModelError, SafetyUnavailable

_NONE_USED = Usage(0, 0)

_GUARDED = (GatewayError, SafetyUnavailable, Refused)
"""How a guard ends a request: it blocks, it cannot tell, or what it would ask is not paid for."""


class Pipeline:
    """
    Takes requests from their body to their reply.

    Args:
        serving: Endpoints and who answers for them.
        books: Where is written down what happens.
        screens: Guards of endpoints.
        shadows: Asks shadow versions.
        content: Keeps prompts and answers where a policy wants it.
    """

    def __init__(
        self, serving: Serving, books: Books, *, screens: Screens, shadows: Shadows, content: ContentLog
    ) -> None:
        self.serving = serving
        self._books = books
        self._screens = screens
        self._shadows = shadows
        self._content = content

    async def run(self, incoming: Incoming, form: Form) -> Outgoing:
        """
        A request whose body is JSON.

        Raises:
            GatewayError: it is refused.
            Refused: money, metering or its idempotency key refuse it.
            ModelError: nobody could answer it.
            ClientGone: nobody waits for the answer.
        """
        body = await incoming.json()
        if not isinstance(body, dict):
            raise GatewayError("invalid_value", reason="the body must be an object")
        return await self.serve(incoming, form, body, await incoming.body())

    async def serve(self, incoming: Incoming, form: Form, body: Mapping[str, Any], raw: bytes) -> Outgoing:
        """The same for a body that was read already; `raw` tells requests of one idempotency key apart."""
        incoming.facts.kind = form.kind
        if not self._books.takes_requests():
            raise MeterDown("the disk has no room left for rows of requests, so none is sent", retry_after_s=10)
        endpoint = self._endpoint(incoming, body.get("model"))
        stream = body.get("stream")
        if stream is not None and not isinstance(stream, bool):
            raise GatewayError("invalid_value", param="stream", reason="write true or false")
        wanted = form.read(body)
        name = incoming.header("idempotency-key")
        if name is None:
            return await self._ask(Request(incoming, form, body, wanted, bool(stream), None), endpoint)
        key = _key(incoming)
        idempotency = self._books.idempotency
        found = await idempotency.begin(key.id, name, request_digest(form.path, raw), incoming.request)
        promise = Promise(idempotency, key.id, name)
        request = Request(incoming, form, body, wanted, bool(stream), promise)
        if found is not None:
            self._note(request, Chosen(endpoint, self.serving.pick(endpoint, found.request), 0))
            replayed = ((b"x-touchstone-replayed", plain(found.request)),)
            return Outgoing(
                found.status, found.body, content_type=found.content_type.encode("latin-1"), headers=replayed
            )
        try:
            return await self._ask(request, endpoint)
        except BaseException:
            promise.drop()
            raise

    # Whom to ask ------------------------------------------------------------------------------------------------------

    def _endpoint(self, incoming: Incoming, name: object) -> Endpoint:
        """The endpoint that a request names; unknown and forbidden ones are the same 404."""
        if not isinstance(name, str):
            raise GatewayError("invalid_value", param="model", reason="name an endpoint as the model")
        endpoint = self.serving.endpoints.get(name)
        if endpoint is None or not may_ask(endpoint, _key(incoming)):
            raise GatewayError("model_not_found", param="model")
        incoming.facts.endpoint = endpoint.name
        if endpoint.state != "running":
            raise GatewayError("endpoint_stopped", param="model")
        return endpoint

    def _chosen(self, request: Request, endpoint: Endpoint) -> Iterator[Chosen]:
        """The endpoint that was named, then the first one of its list that runs and the key may ask."""
        name = request.incoming.request
        yield Chosen(endpoint, self.serving.pick(endpoint, name), 0)
        for other in endpoint.policy.fail_over:
            found = self.serving.find(other)
            if found is not None and may_ask(found, _key(request.incoming)):
                yield Chosen(found, self.serving.pick(found, name), 1)
                return

    async def _ask(self, request: Request, endpoint: Endpoint) -> Outgoing:
        policy = endpoint.policy
        # Who sends an idempotency key will ask again, and shall then find the answer that was paid.
        drains = policy.on_disconnect == "drain" or request.promise is not None
        drain_s = policy.drain_s if drains else None
        last: ModelError | None = None
        screens: list[Screen] = []
        wanted = request.wanted
        for chosen in self._chosen(request, endpoint):
            incoming = request.incoming
            incoming.facts.endpoint, incoming.facts.version = chosen.endpoint.name, chosen.version.number
            incoming.ends_with_key = partial(self._ends_with_key, chosen.endpoint)
            with Watch(incoming.disconnected, drain_s):
                screen = await self._screens.of(chosen.endpoint, Whose(_key(incoming), incoming.request, incoming))
                if screen is not None:
                    # One that failed over has passed the first endpoint's guard, and passes the second one's too.
                    screens.append(screen)
                    wanted = await self._into(screen, request, chosen, wanted)
                try:
                    return await self._attempt(request, chosen, wanted, tuple(screens), drain_s)
                except FAILS_OVER as error:
                    last = error
        assert last is not None, "somebody was asked"
        raise last

    def _ends_with_key(self, endpoint: Endpoint) -> bool:
        """By the policy as it is now, so that it can be said for what runs already."""
        return self.serving.endpoints.get(endpoint.name, endpoint).policy.on_key_end == "cut"

    async def _attempt(
        self,
        request: Request,
        chosen: Chosen,
        wanted: Mapping[str, Any],
        screens: tuple[Screen, ...],
        drain_s: float | None,
    ) -> Outgoing:
        """Ask one upstream. Raises `ModelError` where the client was sent nothing."""
        asked = Asked(request.form.asks, wanted, request.stream, request.incoming.request)
        lease = self.serving.upstream(Target(chosen.endpoint, chosen.version))
        account: Account | None = None
        try:
            try:
                upstream = await lease.__aenter__()
            except ModelError as error:
                self._note(request, chosen, Ending("failed", usd=0.0, error=code_of(error)))
                raise
            account = Account(request, chosen, upstream, lease, self._books.meter)
            ready = await self._prepared(request, chosen, upstream, asked)
            await self._read(request, chosen, ready, screens)
            kept_under = self._kept_under(request, chosen, asked)
            kept = None if kept_under is None else await self._books.cache.get(kept_under)
            if kept is not None:
                return await self._from_cache(request, chosen, ready, kept, screens)
            await account.open(ready)
            keeps = self._keeps(request, chosen, wanted, kept_under)
            asking = Asking(request, account, ready, screens, keeps)
            if request.stream:
                reply = await asking.streamed()
                account = None  # the reply settles it
                headers = self._heads(chosen, reply.model, ready)
                return Outgoing(200, reply, content_type=EVENTS, headers=headers, drain_s=drain_s)
            answered = await asking.whole()
            return Outgoing(
                200,
                answered.body,
                content_type=answered.content_type.encode("latin-1"),
                headers=self._heads(chosen, answered.model, ready),
            )
        finally:
            if account is not None:
                await account.close()

    async def _prepared(self, request: Request, chosen: Chosen, upstream: Upstream, asked: Asked) -> Ready:
        if asked.kind not in upstream.kinds:
            raise GatewayError("unsupported", param="model", what=f"{chosen.endpoint.name} by {request.form.path}")
        try:
            return await upstream.prepare(asked)
        except Unusable as error:
            raise unusable(str(error), error.param) from None
        except ModelError as error:
            self._note(request, chosen, Ending("failed", usd=0.0, error=code_of(error)))
            raise

    # Replies that nobody is asked for ------------------------------------------------------------------------------

    async def _from_cache(
        self, request: Request, chosen: Chosen, ready: Ready, kept: Answered, screens: tuple[Screen, ...]
    ) -> Outgoing:
        """A kept reply, looked at by today's guard; nobody is asked and nothing is charged."""
        name = request.incoming.request
        body = kept.body
        try:
            for screen in screens:
                body = passed(await screen.reply(body, kept.content_type, name))
        except _GUARDED as error:
            self._note_guarded(request, chosen, error)
            raise
        kept = kept._replace(body=body)
        self._note(request, chosen, Ending("cached", _NONE_USED, 0.0, model=kept.model))
        facts = request.incoming.facts
        facts.cached, facts.finish, facts.replied_by = True, kept.finish, kept.model
        headers = [*self._heads(chosen, kept.model, ready), (b"x-touchstone-cached", b"1")]
        if not request.stream:
            kept = request.form.write(kept, request.body, name)
            content_type = kept.content_type
        else:
            content_type = EVENTS.decode("latin-1")
            kept = kept._replace(body=events_of(request, kept.body))
        if request.promise is not None:
            request.promise.keep(kept.body, content_type)
        return Outgoing(200, kept.body, content_type=content_type.encode("latin-1"), headers=headers)

    def _heads(self, chosen: Chosen, model: str, ready: Ready) -> Headers:
        return heads(chosen, model, ignored=ready.ignored, expired=self.serving.expired(chosen.version))

    # On the way in, and beside it -------------------------------------------------------------------------------------

    async def _into(
        self, screen: Screen, request: Request, chosen: Chosen, wanted: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The fields of a request, as the guard lets them pass."""
        try:
            found = await screen.request(wanted, request.incoming.request)
            fields: Mapping[str, Any] = passed(found)
        except InvalidValue as error:
            raise unusable(str(error)) from None
        except _GUARDED as error:
            self._note_guarded(request, chosen, error)
            raise
        return fields

    async def _read(self, request: Request, chosen: Chosen, ready: Ready, screens: tuple[Screen, ...]) -> None:
        """What the recipe found for the model to read, through every guard that the request passed."""
        try:
            for screen in screens:
                passed(await screen.passages(ready.passages, request.incoming.request))
        except (GatewayError, SafetyUnavailable) as error:
            self._note_guarded(request, chosen, error)
            raise

    def _note_guarded(
        self, request: Request, chosen: Chosen, error: GatewayError | SafetyUnavailable | Refused
    ) -> None:
        """The row of a request that a guard ended, or whose check its budget does not cover."""
        if not isinstance(error, Refused):
            self._note(request, chosen, Ending("blocked", _NONE_USED, 0.0, error=error.code))
            return
        request.incoming.facts.error = error.code
        self._books.meter.note_refusal(intent_of(request, chosen, model=chosen.version.recipe.model), error)

    def _note(self, request: Request, chosen: Chosen, ending: Ending | None = None) -> None:
        """The row of a request that no money was held for."""
        ending = ending or Ending("cached", _NONE_USED, 0.0)
        facts = request.incoming.facts
        facts.error, facts.finish = ending.error, finish_of(ending.status, ending.error)
        self._books.meter.note(intent_of(request, chosen, model=chosen.version.recipe.model), ending)

    def _kept_under(self, request: Request, chosen: Chosen, asked: Asked) -> str | None:
        if chosen.endpoint.policy.cache_s is None:
            return None
        project = _key(request.incoming).project
        return cache_key(project, chosen.endpoint.name, chosen.version.number, chosen.version.recipe_digest, asked)

    def _keeps(self, request: Request, chosen: Chosen, wanted: Mapping[str, Any], kept_under: str | None) -> Keeps:
        """What is kept of a reply once it is whole: by the policy, and for a shadow version."""
        shadow = None
        if chosen.endpoint.shadow is not None and not chosen.attempt:
            shadow = self.serving.shadow_of(chosen.endpoint, request.incoming.request)
        policy = chosen.endpoint.policy
        if shadow is None and kept_under is None and policy.keep_content_days is None:
            return Keeps.nothing

        def keep(account: Account, answered: Answered) -> None:
            name, project = chosen.endpoint.name, _key(request.incoming).project
            if kept_under is not None and policy.cache_s is not None:
                self._books.cache.keep(
                    kept_under,
                    answered,
                    project=project,
                    endpoint=name,
                    version=chosen.version.number,
                    keep_s=policy.cache_s,
                )
            if policy.keep_content_days is not None:
                self._content.keep(
                    account.id,
                    request=request.incoming.request,
                    project=project,
                    endpoint=name,
                    asked=orjson.dumps(wanted),
                    answered=answered.body,
                    keep_days=policy.keep_content_days,
                )
            if shadow is not None:
                self._shadows.start(request, chosen, shadow, wanted, answered)

        return Keeps(keep)


def _key(incoming: Incoming) -> Key:
    assert incoming.key is not None, "the routes of the API let nobody in without a key"
    return incoming.key
