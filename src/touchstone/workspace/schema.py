"""The JSON Schema of the task file, made from the nouns that read it."""

from __future__ import annotations

import json
from typing import Any

from touchstone.plugins import shipped
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
        "anyOf": [{"required": ["model"]}, {"required": ["recorded"]}],
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
            "prompt": {"type": "string", "description": "Template of the user message; {input} and any column."},
            "system": {"type": "string", "description": "System text instead of the default one."},
            "temperature": {"type": ["number", "null"]},
            "max_tokens": {"type": "integer", "minimum": 1},
            "licence": {"enum": ["open", "open_weights", "proprietary"]},
            "self_hostable": {"type": "boolean"},
        },
    }
    answer = schema["$defs"]["AnswerSection"]["properties"]
    answer["kind"]["examples"] = list(shipped("answer_reader"))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def schema_text() -> str:
    """The schema as it lies in the package."""
    return json.dumps(task_schema(), indent=2, ensure_ascii=False) + "\n"
