"""The JSON Schema of the task file, made from the nouns that read it."""

from __future__ import annotations

import json
from typing import Any

from touchstone.plugins import shipped
from touchstone.strategies.few_shot import CHOICES, ORDERS
from touchstone.strategies.search_settings import SearchSettings
from touchstone.workspace.taskfile import TaskFile

SCHEMA_ID = "https://touchstone.invalid/task.schema.json"
"""Names the schema; nobody fetches it."""


def task_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a task file; what plug-ins add to is shown by examples, not closed."""
    schema = TaskFile.model_json_schema(by_alias=True, mode="validation")
    properties = schema["properties"]
    properties["goal"] = {
        "description": properties["goal"]["description"],
        "default": "best",
        "oneOf": [
            {"const": "best"},
            {"type": "string", "pattern": r"^cheapest[-_]within:\s*0?\.\d+$"},
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["cheapest-within"],
                "properties": {"cheapest-within": {"type": "number", "minimum": 0, "exclusiveMaximum": 1}},
            },
        ],
    }
    properties["candidates"]["items"] = {
        "anyOf": [
            {"type": "string", "examples": ["ollama/qwen3", "deepseek/deepseek-chat", "baseline/logistic"]},
            {"$ref": "#/$defs/Candidate"},
        ]
    }
    schema["$defs"]["Candidate"] = {
        "type": "object",
        "description": "A candidate with parameters; further keys go to the model or the strategy.",
        "anyOf": [
            {"required": ["model"]},
            {"required": ["recorded"]},
            {"required": ["sweep"], "properties": {"sweep": {"required": ["model"]}}},
        ],
        "properties": {
            "name": {"type": "string", "description": "What tables call it."},
            "model": {"description": "provider/name, baseline/…, openai-compatible, or the model in a recorded file."},
            "recorded": {"type": "string", "description": "File of answers recorded earlier."},
            "columns": {"type": "object", "additionalProperties": {"type": "string"}},
            "strategy": {"type": "string", "examples": list(shipped("strategy"))},
            "base_url": {"type": "string", "description": "Address of an OpenAI-compatible endpoint, up to /v1."},
            "served_name": {"type": "string", "description": "The endpoint's name for the model."},
            "key_env": {"type": "string", "description": "Environment variable that holds the key."},
            "stream": {"type": "boolean", "description": "Streamed replies measure the time to the first token."},
            "price": {
                "type": "object",
                "description": "USD per million tokens.",
                "required": ["input_usd", "output_usd"],
                "properties": {
                    "input_usd": {"type": "number", "minimum": 0},
                    "output_usd": {"type": "number", "minimum": 0},
                    "cached_input_usd": {"type": "number", "minimum": 0},
                },
            },
            "prompt": _text("Template of the user message; {input} and any column."),
            "system": _text("System text instead of the default one."),
            "format": {"enum": ["plain", "jinja"], "description": "How prompt is filled in; plain by default."},
            "structured": {
                "type": ["boolean", "object"],
                "description": "Hold the model to a JSON Schema of the answer; of answers of kind json, that schema.",
            },
            "k": {"type": "integer", "minimum": 0, "maximum": 256, "description": "Examples that few_shot shows."},
            "choose": {"enum": list(CHOICES), "description": "How few_shot chooses its examples."},
            "examples": {
                "type": "array",
                "minItems": 1,
                "items": {"type": ["string", "integer"]},
                "description": "Ids of the train cases that few_shot shows.",
            },
            "per_label": {"type": "boolean", "description": "Of diverse examples: whether labels take turns."},
            "order": {"enum": list(ORDERS), "description": "Of similar examples: the most similar first, or last."},
            "split": {"enum": ["train", "dev"], "description": "Where few_shot takes its examples from."},
            "example_answer": {"type": "string", "description": "Form of the examples' answers; {target} and columns."},
            "search": {
                **SearchSettings.model_json_schema(mode="validation"),
                "description": "What prompt_search may take.",
            },
            "proposer": {
                "type": ["string", "object"],
                "description": "A model that writes instructions for prompt_search to try.",
            },
            "sweep": {
                "type": "object",
                "description": "Parameters with lists of values: one candidate for every combination, 64 at most.",
                "minProperties": 1,
                "additionalProperties": {"type": "array", "minItems": 1, "uniqueItems": True},
            },
            "temperature": {"type": ["number", "null"]},
            "max_tokens": {"type": "integer", "minimum": 1},
            "licence": {"enum": ["open", "open_weights", "proprietary"]},
            "self_hostable": {"type": "boolean"},
        },
    }
    answer = schema["$defs"]["AnswerSection"]["properties"]
    answer["kind"]["examples"] = list(shipped("answer_reader"))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def _text(description: str) -> dict[str, Any]:
    """A text, written out or in a file beside the task file."""
    file = {
        "type": "object",
        "additionalProperties": False,
        "required": ["file"],
        "properties": {"file": {"type": "string", "description": "Path from the task file's folder."}},
    }
    return {"description": description, "anyOf": [{"type": "string"}, file]}


def schema_text() -> str:
    """The schema as it lies in the package."""
    return json.dumps(task_schema(), indent=2, ensure_ascii=False) + "\n"
