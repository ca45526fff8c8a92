"""Names under which models are served: who made the model behind a name, and whether an echo can be what was asked."""

from __future__ import annotations

import re

_MAKERS = {
    "openai": ("gpt", "chatgpt", "o1", "o3", "o4", "davinci"),
    "anthropic": ("claude",),
    "google": ("gemini", "gemma", "palm"),
    "meta": ("llama", "codellama", "meta-llama"),
    "alibaba": ("qwen", "qwq", "qvq"),
    "deepseek": ("deepseek",),
    "mistral": ("mistral", "mixtral", "ministral", "codestral", "magistral", "devstral", "pixtral"),
    "zhipu": ("glm", "chatglm"),
    "moonshot": ("kimi", "moonshot"),
    "01-ai": ("yi",),
    "cohere": ("command", "c4ai", "aya"),
    "microsoft": ("phi",),
    "xai": ("grok",),
    "baidu": ("ernie",),
    "bytedance": ("doubao", "seed"),
    "tencent": ("hunyuan",),
    "ai21": ("jamba",),
    "minimax": ("minimax", "abab"),
}
_MAKER_OF = {stem: maker for maker, stems in _MAKERS.items() for stem in stems}
_STEMS = "|".join(sorted(map(re.escape, _MAKER_OF), key=len, reverse=True))
_AT_START = re.compile(rf"({_STEMS})(?![a-z])")
_ANYWHERE = re.compile(rf"(?<![a-z])({_STEMS})(?![a-z])")
_SELLER = re.compile(r"\A(?:[a-z]+[.:])+(?=[a-z])")
"""Sellers and kinds before a name, where a dot or a colon separates them: `us.anthropic.claude-…`, `ft:gpt-…`."""


def family(name: str) -> str:
    """
    Who made a model, by the stem of its name: `openai` for `azure/gpt-4o-mini`; the stem itself where nobody is known.

    The last part counts, since the first often names a reseller: `openrouter/anthropic/claude-…`, `ollama/qwen3`.
    """
    last = _last_part(name)
    known = _AT_START.match(last)
    if known:
        return _MAKER_OF[known[1]]
    stem = re.match(r"[^\W\d_]+", last)
    return stem.group() if stem else last


def same_family(requested: str, echoed: str | None) -> bool:
    """
    Whether an echoed model name can stand for the requested one; in doubt it can.

    Servers echo aliases, dated snapshots, paths of weights and names of their own, so only two makers that are both
    known and differ are a contradiction: `gpt-4o` answered by `llama-3-8b`. A name that mentions both makers, as
    distilled and merged models do, contradicts neither. An empty or unknown echo says nothing.

    Args:
        requested: The name that was sent.
        echoed: The name in the reply; None when there was none.
    """
    asked, said = _last_part(requested), _last_part(echoed or "")
    one, other = _AT_START.match(asked), _AT_START.match(said)
    if one is None or other is None or _MAKER_OF[one[1]] == _MAKER_OF[other[1]]:
        return True
    return not _mentioned(asked).isdisjoint(_mentioned(said))


def _last_part(name: str) -> str:
    """The part of a name that says which model it is: `qwen3-8b-q4.gguf` of `/models/qwen3-8b-q4.gguf`."""
    parts = [part for part in re.split(r"[/\\]", name.casefold().strip()) if part]
    last = parts[-1] if parts else ""
    # `llama:latest` has no seller before its colon.
    return last if _AT_START.match(last) else _SELLER.sub("", last)


def _mentioned(name: str) -> set[str]:
    return {_MAKER_OF[stem] for stem in _ANYWHERE.findall(name)}
