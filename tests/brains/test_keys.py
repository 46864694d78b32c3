"""Where keys and addresses come from, and that no text carries them."""

import subprocess
import sys

import pytest

from mlestar.brains.spoken.keys import endpoint, redact
from mlestar.brains.spoken.llm import LanguageModel
from mlestar.errors import SettingsError

KEY = "sk-secret/0123456789+ABCDEF"


def test_redact():
    held = {
        "X_API_KEY": f"{KEY}\n",
        "SHORT": "ollama",
        "Y_BASE_URL": "https://us%40er:pass-word-1@host/v1?token=tok-12345678",
    }
    text = f"{KEY} sk-secret%2F0123456789%2BABCDEF c2stc2VjcmV0LzAxMjM0NTY3ODkrQUJDREVG pass-word-1 tok-12345678 ollama"
    assert redact(text, held) == "*** *** *** *** *** ollama"
    assert redact("dXNAZXI6cGFzcy13b3JkLTE=", held) == "***"
    assert redact("at http://someone:secret-pw@h/v1", {}, "http://someone:secret-pw@h/v1") == "at http://***@h/v1"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("openai:x", r"OPENAI_API_KEY.*\[keys\].*mlestar.toml"),
        ("google:x", "GEMINI_API_KEY or GOOGLE_API_KEY"),
        ("anthropic:x", "ANTHROPIC_API_KEY"),
        ("openrouter:x", "OPENROUTER_API_KEY"),
        ("my-house:x", "MY_HOUSE_BASE_URL"),
        ("gpt", "provider:name"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_sent(model, words):
    with pytest.raises(SettingsError, match=words):
        LanguageModel(model, keys={})


def test_endpoints():
    assert endpoint("ollama:qwen3:8b", {}).address == "http://127.0.0.1:11434/v1"
    assert endpoint("ollama:qwen3:8b", {}).model == "qwen3:8b"
    assert endpoint("google:g", {"GEMINI_BASE_URL": "http://h/v1beta/"}).address == "http://h"
    assert (
        endpoint("openai:o", {"OPENAI_BASE_URL": "https://api.openai.com/v1/", "OPENAI_API_KEY": KEY}).custom is False
    )
    with pytest.raises(SettingsError, match=r"no address.*http://HOST") as caught:
        endpoint("openai:o", {}, "ftp://someone:secret-pw@h")
    assert "secret-pw" not in str(caught.value)
    with pytest.raises(SettingsError, match="OPENAI_API_KEY holds characters"):
        endpoint("openai:o", {"OPENAI_API_KEY": "sk-12345678\u2026"})
    assert KEY not in repr(endpoint("openai:o", {"OPENAI_API_KEY": KEY}))


def test_only_what_is_needed_is_imported():
    code = """import sys
from mlestar.brains.spoken.llm import LanguageModel
voice = LanguageModel("google:g", keys={"GEMINI_API_KEY": "k" * 20})
assert not {"pydantic_ai", "httpx2", "google.genai"} & set(sys.modules)
import mlestar.brains.spoken.llm_wire
assert not {"openai", "anthropic", "google.genai"} & set(sys.modules)"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=900)
