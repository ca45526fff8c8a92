"""
Which fields of requests and replies hold no text, so that all others are looked at, those included that nobody knows.

An allow-list by name *and* value: a field called `role` is passed over when it says `user`, and looked at when it says
anything else. Sources: OpenAI, API reference for chat, completions, responses, embeddings, images, audio, moderations;
Cohere and Jina, rerank; JSON Schema 2020-12.
"""

from __future__ import annotations

import re


def _words(written: str) -> frozenset[str]:
    return frozenset(written.split())


WORDS: dict[str, frozenset[str]] = {
    "role": frozenset({"system", "developer", "user", "assistant", "tool", "function"}),
    "type": _words(
        "text input_text output_text image_url input_image input_audio output_audio file input_file "
        "refusal function custom message function_call function_call_output reasoning summary_text "
        "reasoning_text json_object json_schema allowed_tools grammar url_citation text_delta string "
        "number integer boolean array object null"
    ),
    "format": _words("json text srt verbose_json vtt wav mp3 flac opus pcm16 float base64 date date-time"),
    "detail": frozenset({"auto", "low", "high", "original"}),
    "status": frozenset({"completed", "in_progress", "incomplete", "failed", "queued", "cancelled"}),
    "finish_reason": frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"}),
    "tool_choice": frozenset({"none", "auto", "required"}),
    "function_call": frozenset({"none", "auto"}),
    "reasoning_effort": frozenset({"none", "minimal", "low", "medium", "high", "xhigh"}),
    "effort": frozenset({"none", "minimal", "low", "medium", "high", "xhigh"}),
    "verbosity": frozenset({"low", "medium", "high"}),
    "service_tier": frozenset({"auto", "default", "flex", "priority", "scale"}),
    "encoding_format": frozenset({"float", "base64"}),
    "response_format": frozenset({"url", "b64_json", "json", "text", "srt", "verbose_json", "vtt"}),
    "truncation": frozenset({"auto", "disabled"}),
    "size": frozenset({"auto", "256x256", "512x512", "1024x1024", "1024x1536", "1536x1024", "1792x1024", "1024x1792"}),
    "quality": frozenset({"auto", "low", "medium", "high", "standard", "hd"}),
    "object": _words(
        "chat.completion chat.completion.chunk text_completion list embedding response model "
        "moderation rerank transcript.text.delta transcript.text.done"
    ),
}
"""Values of a field that are words of the protocol, wherever the field stands."""

LABELS = frozenset({"id", "object", "model", "system_fingerprint", "service_tier"})
"""Fields at the top of a body that name it, its model and its build."""

LABEL = re.compile(r"[A-Za-z0-9._:/@+-]{1,128}")
"""What such a name looks like: without a space nobody gives an order in it."""

NUMBERS = _words(
    "seed max_tokens max_completion_tokens max_output_tokens n temperature top_p top_k top_n "
    "created created_at completed_at prompt_tokens completion_tokens total_tokens input_tokens "
    "output_tokens dimensions index"
)
"""Fields whose numbers are settings and counts. Any other number of seven digits or more may be somebody's."""

KEYS = _words(
    "messages role content name tool_calls tool_call_id function arguments refusal reasoning "
    "reasoning_content id type text image_url url detail input_audio data format file file_data "
    "filename file_id tools tool_choice parameters description strict properties required items "
    "enum anyof oneof allof not const default title additionalProperties $defs $ref minimum "
    "maximum minLength maxLength minItems maxItems pattern response_format json_schema schema "
    "model stream stream_options include_usage temperature top_p seed stop presence_penalty "
    "frequency_penalty logit_bias reasoning_effort verbosity parallel_tool_calls functions "
    "function_call n logprobs top_logprobs max_tokens max_completion_tokens user metadata store "
    "service_tier safety_identifier prompt_cache_key prompt suffix echo best_of input "
    "instructions dimensions encoding_format max_output_tokens output summary encrypted_content "
    "query documents top_n return_documents size quality style language timestamp_granularities "
    "choices index message delta finish_reason usage created object system_fingerprint token "
    "bytes top_bytes logprob annotations url_citation start_index end_index audio transcript "
    "expires_at b64_json revised_prompt segments words word start end tokens avg_logprob "
    "no_speech_prob compression_ratio duration results relevance_score document flagged "
    "categories category_scores embedding prompt_tokens completion_tokens total_tokens "
    "prompt_tokens_details completion_tokens_details cached_tokens reasoning_tokens audio_tokens "
    "input_tokens output_tokens input_tokens_details output_tokens_details item_id output_index "
    "content_index summary_index sequence_number response item part call_id status error code "
    "param created_at completed_at incomplete_details reason output_text text_offset "
    "token_logprobs prediction previous_response_id conversation file_url vector_store_ids touchstone"
)
"""Names of fields that the protocols have; any other name is a text as well, because somebody chose it."""

MEDIA = frozenset({"url", "image_url", "data", "b64_json", "file_data", "audio"})
"""Fields that may hold a picture, a sound or a file."""

MEDIA_VALUE = re.compile(
    r"data:(?:image/(?:png|jpe?g|webp|gif)|audio/[a-z0-9.+-]{1,40}|application/pdf);base64,[A-Za-z0-9+/=\s]*"
)
BASE64_VALUE = re.compile(r"[A-Za-z0-9+/\r\n]*={0,2}")
ENCODED = frozenset(
    {("input_audio", "data"), ("audio", "data"), ("data", "b64_json"), ("file", "file_data"), ("data", "embedding")}
)
"""(field around it, field) that holds bare base64."""

JSON_TEXT = frozenset({"arguments"})
"""Fields that hold JSON written as a text; what a model reads is what it says."""

SPELLED = frozenset({"logprobs", "words", "tokens"})
"""Fields that tell a text once more, piece by piece: they say what a mask hides, so they go where a mask came."""

FILE_PARTS = frozenset({"file", "input_file", "input_image", "image_file", "file_search"})
"""Types of parts and tools that may name a file which is kept elsewhere."""

PARTED = frozenset({"content", "summary", "parts"})
"""Lists whose texts a model or a person reads as one."""

SEALED = "encrypted_content"
"""Reasoning that only its maker can read."""

_SMALLEST_NUMBER = 10**6


def is_text(name: str, value: str, *, top: bool) -> bool:
    """Whether the value of a field is to be looked at; `top` says that the field stands at the top of its body."""
    if not value or value in WORDS.get(name, ()):
        return False
    return not (top and name in LABELS and LABEL.fullmatch(value))


def is_telling(name: str, value: float) -> bool:
    """Whether a number is long enough to be somebody's, and no setting or count."""
    return name not in NUMBERS and abs(value) >= _SMALLEST_NUMBER and value == value // 1


def is_media(around: str, name: str, value: str) -> bool:
    """Whether the value of a field, itself within the field `around`, is a picture, a sound or a file."""
    if name == SEALED or (name in MEDIA and MEDIA_VALUE.fullmatch(value)):
        return True
    return (around, name) in ENCODED and BASE64_VALUE.fullmatch(value) is not None
