"""One request to one provider through pydantic-ai. Imported with the first call only: it takes a second or two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
from pydantic_ai import exceptions
from pydantic_ai.direct import model_request
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters, create_async_httpx2_client
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.settings import ModelSettings

from mlestar.brains.spoken.keys import Endpoint
from mlestar.brains.spoken.llm_reading import Fault, Reading, Tried, fault, read
from mlestar.brains.spoken.voice import Past, Prompt

if TYPE_CHECKING:
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

CONNECT = 10.0  # seconds
CONTINUED = 5  # times that a provider may pause in the middle of an answer, as Anthropic's does while it searches
NO_KEY = "no-key"  # clients insist on a key where the service does not

# What clients raise for a body of another shape than theirs; all else is a mistake of ours and is let through.
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError)
ODD = (exceptions.AgentRunError, exceptions.UserError, httpx2.HTTPError, httpx2.InvalidURL, OSError, *UNREADABLE)


@dataclass(frozen=True)
class Wire:
    """A connected model. `hide` redacts, `barred` says which pages must not be shown."""

    model: Model
    client: httpx2.AsyncClient
    settings: ModelSettings
    parameters: ModelRequestParameters
    provider: str
    hide: Callable[[str], str]
    barred: Callable[[str], bool]

    async def ask(self, prompt: Prompt, past: Past) -> Tried:
        """Ask once; more than one request only where the provider paused and was asked to go on.

        The SDKs do not retry.
        """
        messages, readings = _messages(prompt, past), list[Reading]()
        while True:
            try:
                response = await self._request(messages)
            except ODD as error:
                return Tried(tuple(readings), fault(error, self.hide), len(readings) + 1)
            readings.append(read(response, self.provider, self.hide, self.barred))
            if response.state != "suspended" or len(readings) > CONTINUED:
                return Tried(tuple(readings), self._broken_off(response), len(readings))
            messages.append(response)

    def _broken_off(self, response: ModelResponse) -> Fault | None:
        """Anthropic's long answers come as a stream, which always says why it ends, unless the connection broke."""
        if self.provider == "anthropic" and response.finish_reason is None and response.state == "complete":
            return Fault("again", "the answer breaks off")
        return None

    async def _request(self, messages: list[ModelMessage]) -> ModelResponse:
        return await model_request(
            self.model, messages, model_settings=self.settings, model_request_parameters=self.parameters
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()
        await asyncio.sleep(0)  # lets transports say goodbye


def connect(
    at: Endpoint,
    *,
    temperature: float | None,
    max_tokens: int | None,
    timeout: float,
    web_search: bool,
    hide: Callable[[str], str],
    barred: Callable[[str], bool],
) -> Wire:
    """Prepare a model; nothing is sent yet. Only the client library of this provider is imported."""
    limits = httpx2.Timeout(timeout, connect=min(timeout, CONNECT), pool=None)
    # A transport of ours knows no proxy of the environment, which is meant for the world outside this machine.
    client = create_async_httpx2_client(timeout=limits, transport=httpx2.AsyncHTTPTransport() if at.local else None)
    model = _model(at, client)
    settings = ModelSettings(timeout=timeout, request_timeout=timeout, max_retries=0, cache={"messages": False})
    if temperature is not None:
        settings["temperature"] = temperature
    if max_tokens is not None:
        settings["max_tokens"] = max_tokens
    searching = web_search and WebSearchTool in model.profile.get("supported_native_tools", ())
    if searching:
        settings["citations"] = True
    parameters = ModelRequestParameters(native_tools=[WebSearchTool()] if searching else [])
    settings |= _extra(at, searching)
    return Wire(model, client, settings, parameters, at.provider, hide, barred)


def _extra(at: Endpoint, searching: bool) -> ModelSettings:
    """Settings of one provider only: OpenAI keeps no copy of what it is asked, and tells all sources it found."""
    if at.provider != "openai" or at.custom:
        return ModelSettings()
    from pydantic_ai.models.openai import OpenAIResponsesModelSettings  # noqa: PLC0415

    return OpenAIResponsesModelSettings(openai_store=False, openai_include_web_search_sources=searching)


def _messages(prompt: Prompt, past: Past) -> list[ModelMessage]:
    """The stable part first and by itself, then the request, then each refused answer with its complaint."""
    said: list[ModelMessage] = [_user(prompt, prompt.asked)]
    for answer, complaint in past:
        # Some providers refuse an empty text with a 400.
        said += [ModelResponse(parts=[TextPart(answer.strip() or "(no answer)")]), _user(prompt, complaint)]
    return said


def _user(prompt: Prompt, text: str) -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(text)], instructions=prompt.stable)


def _model(at: Endpoint, client: httpx2.AsyncClient) -> Model:
    """The model class of a provider. Key and address are always given, so that no client looks for its own."""
    key = at.key or NO_KEY
    if at.provider == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415 - seconds, for its users only
        from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

        return AnthropicModel(
            at.model, provider=AnthropicProvider(api_key=key, base_url=at.address, http_client=client)
        )
    if at.provider == "google":
        from pydantic_ai.models.google import GoogleModel  # noqa: PLC0415
        from pydantic_ai.providers.google import GoogleProvider  # noqa: PLC0415

        return GoogleModel(at.model, provider=GoogleProvider(api_key=key, base_url=at.address, http_client=client))
    return _openai(at, key, client)


def _openai(at: Endpoint, key: str, client: httpx2.AsyncClient) -> OpenAIChatModel | OpenAIResponsesModel:
    """OpenAI's own Responses API at its own address; Chat Completions wherever else its protocol is spoken."""
    from pydantic_ai.models.ollama import OllamaModel  # noqa: PLC0415
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel  # noqa: PLC0415
    from pydantic_ai.models.openrouter import OpenRouterModel  # noqa: PLC0415
    from pydantic_ai.profiles.openai import OpenAIModelProfile  # noqa: PLC0415
    from pydantic_ai.providers.ollama import OllamaProvider  # noqa: PLC0415
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider  # noqa: PLC0415
    from pydantic_ai.providers.openrouter import OpenRouterProvider  # noqa: PLC0415
    from pydantic_ai.providers.vllm import VLLMProvider  # noqa: PLC0415

    made: OpenAIChatModel | OpenAIResponsesModel
    if at.provider == "openai" and not at.custom:
        own = OpenAIProvider(base_url=at.address, api_key=key, http_client=client)
        return OpenAIResponsesModel(at.model, provider=own)  # whose organization the environment may name
    if at.provider == "openrouter" and not at.custom:
        made = OpenRouterModel(at.model, provider=OpenRouterProvider(api_key=key, http_client=client))
    elif at.provider == "ollama":
        made = OllamaModel(at.model, provider=OllamaProvider(base_url=at.address, api_key=key, http_client=client))
    elif at.provider == "vllm":
        made = OpenAIChatModel(at.model, provider=VLLMProvider(base_url=at.address, api_key=key, http_client=client))
    else:
        # `max_tokens` is the name that every compatible server knows; OpenAI itself has given it another.
        profile = (
            None if at.provider == "openai" else OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False)
        )
        other = OpenAICompatibleProvider(
            at.provider, base_url=at.address, api_key=key, http_client=client, profile=profile
        )
        made = OpenAIChatModel(at.model, provider=other)
    made.client.organization = made.client.project = None  # OpenAI's, from the environment: nobody else's business
    return made
