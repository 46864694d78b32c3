"""Keys and addresses of providers: taken from a mapping, never from the environment, and kept out of every text."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from mlestar.errors import SettingsError

HOMES = {  # where a provider answers unless another address is given
    "anthropic": "https://api.anthropic.com",
    "google": "https://generativelanguage.googleapis.com",
    "ollama": "http://127.0.0.1:11434/v1",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "vllm": "http://127.0.0.1:8000/v1",
}
KEYED = frozenset({"anthropic", "google", "openai", "openrouter"})  # those that answer nobody without a key
KEYS = {"google": ("GEMINI_API_KEY", "GOOGLE_API_KEY")}
ADDRESSES = {"google": ("GOOGLE_GEMINI_BASE_URL", "GEMINI_BASE_URL")}
VERSIONS = {"anthropic": "/v1", "google": "/v1beta"}  # what their clients add to an address themselves
SHORTEST = 8  # characters; a shorter "key" is a placeholder such as `ollama`, and a word of ordinary texts
_SECRET = re.compile(r"key|token|secret|passw|auth|credential|bearer|header", re.IGNORECASE)  # of an option's name


@dataclass(frozen=True)
class Endpoint:
    """Who is asked, and where. `key` is empty where none is needed; `custom` where the address is not the provider's.

    `variable` is the name under which a key is looked for.
    """

    provider: str
    model: str
    address: str
    custom: bool
    variable: str
    key: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """The address without what may be secret in it; for messages."""
        url = urlsplit(self.address)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"

    @property
    def local(self) -> bool:
        """Whether the address is this machine's own."""
        host = urlsplit(self.address).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")


def provider_of(model: str) -> str:
    """The provider in `provider:name`; empty where there is none."""
    provider, colon, name = model.partition(":")
    return provider.strip().lower() if colon and name.strip() else ""


def endpoint(model: str, keys: Mapping[str, str], base_url: str = "") -> Endpoint:
    """Read `provider:name`; any name is accepted. Raises SettingsError where the key or the address is missing."""
    provider, colon, name = (part.strip() for part in model.partition(":"))
    provider = provider.lower()
    if not (provider and colon and name):
        raise SettingsError(
            f"the model {model!r} has no provider: write it as `provider:name`, such as `google:NAME`, `openai:NAME`, "
            "`anthropic:NAME`, `openrouter:NAME`, `ollama:NAME`, `vllm:NAME`, or any word with a `base_url`"
        )
    home = HOMES.get(provider, "")
    given = base_url.strip() or _first(keys, _addresses(provider))
    if not (given or home):
        raise SettingsError(
            f"nothing is known about the provider {provider!r} of {model!r}: give the address of its "
            f"OpenAI-compatible service as `base_url`, or as {_addresses(provider)[0]}"
        )
    address = _address(given or home, provider, keys)
    custom = bool(given) and address != home
    variables = KEYS.get(provider, (f"{_shout(provider)}_API_KEY",))
    key = _first(keys, variables)
    if not key and provider in KEYED and not custom:
        raise SettingsError(
            f"{model!r} needs a key: set {' or '.join(variables)} in the environment, "
            "or under `[keys]` in `mlestar.toml`"
        )
    if not (key.isascii() and key.isprintable()):
        raise SettingsError(f"the key in {variables[0]} holds characters that no key has; paste it again")
    return Endpoint(provider, name, address, custom, variables[0], key)


def redact(text: str, keys: Mapping[str, str], base_url: str = "") -> str:
    """The text with every key replaced by `***`, in plain, quoted or base64 form; also what base URLs carry.

    A value counts as a base URL where its name ends in `BASE_URL`. Shorter values than 8 characters are left.
    """
    secrets = {form for secret in _secrets({**keys, "BASE_URL": base_url}) for form in _forms(secret)}
    for secret in sorted(secrets, key=len, reverse=True):  # the longer first: one may hold the other
        text = text.replace(secret, "***")
    return text


def secrets_in(argv: Sequence[str]) -> dict[str, str]:
    """What a command line gives to options such as `--token`, as keys for `redact`."""
    found, before = {}, ""
    for number, text in enumerate(argv):
        name, sign, value = text.partition("=")
        given = value if sign and _SECRET.search(name) else text if _SECRET.search(before) else ""
        found[f"argument {number}"] = given
        before = text if text.startswith("-") and not sign else ""
    return found


def _secrets(keys: Mapping[str, str]) -> Iterator[str]:
    for name, value in keys.items():
        if not name.upper().endswith("BASE_URL"):
            yield value.strip()
            continue
        try:
            url = urlsplit(value.strip())
        except ValueError:  # an address that nobody can read holds what it holds
            yield value.strip()
            continue
        userinfo, _, _ = url.netloc.rpartition("@")
        yield userinfo
        yield from map(unquote, userinfo.split(":"))
        if userinfo:
            yield base64.b64encode(unquote(userinfo).encode()).decode()  # as the Authorization header has it
        yield from (secret for _, secret in parse_qsl(url.query))


def _forms(secret: str) -> Iterator[str]:
    if len(secret) >= SHORTEST:
        yield from (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])
        yield base64.b64encode(secret.encode("utf-8", "replace")).decode().rstrip("=")


def _address(given: str, provider: str, keys: Mapping[str, str]) -> str:
    """An address as the clients want it. Raises SettingsError where it is none."""
    address = given.strip().rstrip("/")
    try:
        url = urlsplit(address)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good:
        raise SettingsError(
            f"the base URL {redact(given, keys, given)!r} for {provider!r} is no address: "
            "write it as `http://HOST:PORT/v1` or `https://HOST/v1`"
        )
    return address.removesuffix(VERSIONS.get(provider, "\0"))


def _addresses(provider: str) -> tuple[str, ...]:
    return ADDRESSES.get(provider, (f"{_shout(provider)}_BASE_URL",))


def _shout(provider: str) -> str:
    return re.sub(r"\W", "_", provider).upper()


def _first(keys: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((value.strip() for name in names if (value := keys.get(name, "")).strip()), "")
