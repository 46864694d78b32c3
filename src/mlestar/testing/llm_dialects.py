"""The answers of `llm_server` in each provider's words: OpenAI chat and responses, Gemini, Anthropic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """A page that an answer cites."""

    title: str
    address: str
    excerpt: str = ""


@dataclass(frozen=True)
class Reply:
    """What the fake provider answers, and how many tokens it says that took; `counted` is whether it says so.

    `input_tokens` include the cached ones. A `refusal` replaces the text.
    """

    text: str
    input_tokens: int = 1000
    cached_tokens: int = 400
    output_tokens: int = 200
    refusal: str = ""
    sources: tuple[Source, ...] = ()
    counted: bool = True


def chat(reply: Reply, model: str) -> dict[str, Any]:
    """OpenAI Chat Completions, which most other services speak too."""
    usage = {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
    }
    message = {"role": "assistant", "content": None if reply.refusal else reply.text, "refusal": reply.refusal or None}
    return {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}],
    } | ({"usage": usage} if reply.counted else {})


def responses(reply: Reply, model: str) -> dict[str, Any]:
    """OpenAI Responses, with a web search before the text where there are sources."""
    last = len(reply.text) - 1  # as if it were the marker
    notes = [
        {"type": "url_citation", "start_index": last, "end_index": last + 1, "url": s.address, "title": s.title}
        for s in reply.sources
    ]
    text = {"type": "output_text", "text": reply.text, "annotations": notes}
    said = {"type": "refusal", "refusal": reply.refusal} if reply.refusal else text
    search = {"type": "search", "query": "q", "sources": [{"type": "url", "url": s.address} for s in reply.sources]}
    found = {"type": "web_search_call", "id": "ws-1", "status": "completed", "action": search}
    message = {"type": "message", "id": "msg-1", "role": "assistant", "status": "completed", "content": [said]}
    return {
        "id": "resp-1",
        "object": "response",
        "created_at": 1_790_000_000,
        "model": model,
        "status": "completed",
        "output": [*([found] if reply.sources else []), message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": reply.input_tokens,
            "input_tokens_details": {"cached_tokens": reply.cached_tokens},
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": reply.input_tokens + reply.output_tokens,
        },
    }


def gemini(reply: Reply, model: str) -> dict[str, Any]:
    """Gemini's generateContent, grounded where there are sources."""
    candidate: dict[str, Any] = {"finishReason": "SAFETY", "finishMessage": reply.refusal}
    if not reply.refusal:
        candidate = {"content": {"role": "model", "parts": [{"text": reply.text}]}, "finishReason": "STOP", "index": 0}
    if reply.sources:
        segment = {"startIndex": 0, "endIndex": len(reply.text.encode()), "text": reply.text}
        candidate["groundingMetadata"] = {
            "webSearchQueries": ["q"],
            "groundingChunks": [{"web": {"uri": s.address, "title": s.title}} for s in reply.sources],
            "groundingSupports": [{"segment": segment, "groundingChunkIndices": list(range(len(reply.sources)))}],
        }
    usage = {
        "promptTokenCount": reply.input_tokens,
        "cachedContentTokenCount": reply.cached_tokens,
        "candidatesTokenCount": reply.output_tokens,
        "totalTokenCount": reply.input_tokens + reply.output_tokens,
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": "gem-1"}


def anthropic(reply: Reply, model: str) -> dict[str, Any]:
    """Anthropic Messages; its input tokens leave out the cached ones."""
    text: dict[str, Any] = {"type": "text", "text": reply.text}
    search: list[dict[str, Any]] = []
    if reply.sources:
        here = {"type": "web_search_result_location", "encrypted_index": "e"}
        found = {"type": "web_search_result", "encrypted_content": "e", "page_age": None}
        text["citations"] = [
            here | {"url": s.address, "title": s.title, "cited_text": s.excerpt} for s in reply.sources
        ]
        search = [
            {"type": "server_tool_use", "id": "srv-1", "name": "web_search", "input": {"query": "q"}},
            {
                "type": "web_search_tool_result",
                "tool_use_id": "srv-1",
                "content": [found | {"url": s.address, "title": s.title} for s in reply.sources],
            },
        ]
    return {
        "id": "msg-1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [] if reply.refusal else [*search, text],
        "stop_reason": "refusal" if reply.refusal else "end_turn",
        "stop_sequence": None,
        "stop_details": {"type": "refusal", "explanation": reply.refusal, "category": None} if reply.refusal else None,
        "usage": {
            "input_tokens": reply.input_tokens - reply.cached_tokens,
            "cache_read_input_tokens": reply.cached_tokens,
            "cache_creation_input_tokens": 0,
            "output_tokens": reply.output_tokens,
        },
    }


def events(message: dict[str, Any]) -> bytes:
    """An Anthropic message as the stream of events that it sends when asked for one."""
    end = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    sent: list[dict[str, Any]] = [{"type": "message_start", "message": message | {"content": [], "stop_reason": None}}]
    for index, block in enumerate(message["content"]):
        sent.append({"type": "content_block_start", "index": index, "content_block": block})
        sent.append({"type": "content_block_stop", "index": index})
    sent.append({"type": "message_delta", "delta": end, "usage": message["usage"]})
    sent.append({"type": "message_stop"})
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in sent)


def texts(body: Any) -> Iterator[str]:
    """Every text of a request, in order: system part and messages, in any of the four dialects."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, list):
        for inner in body:
            yield from texts(inner)
    elif isinstance(body, dict):
        for key in ("instructions", "system", "systemInstruction", "messages", "input", "contents", "parts", "content"):
            yield from texts(body.get(key))
        yield from texts(body.get("text"))
