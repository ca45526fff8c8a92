"""
What the words of a Hugging Face card mean in ours: tables, and nothing is guessed beyond them.

Pipeline tags are those of the Hub's own list (huggingface.js, `packages/tasks/src/pipelines.ts`), relations those of
its page on model cards; licences have the same ids here and there.
"""

from __future__ import annotations

from collections.abc import Mapping

from touchstone.catalog.model import Modality
from touchstone.noun import Noun


class Pipeline(Noun):
    """What a pipeline tag says about a model."""

    tasks: tuple[str, ...]
    """Ids of our tasks, the main one first."""
    reads: tuple[Modality, ...] | None = None
    """None where the tag does not say."""
    gives: tuple[str, ...]
    """Ids of our output types."""


def _pipeline(tasks: str, reads: str, gives: str) -> Pipeline:
    return Pipeline.model_validate(
        {"tasks": tuple(tasks.split()), "reads": tuple(reads.split()) or None, "gives": tuple(gives.split())}
    )


PIPELINES: Mapping[str, Pipeline] = {
    "text-generation": _pipeline("text-generation", "text", "text"),
    "text2text-generation": _pipeline("text-generation", "text", "text"),
    "image-text-to-text": _pipeline("multimodal image-understanding text-generation", "text image", "text"),
    "video-text-to-text": _pipeline("multimodal text-generation", "text video", "text"),
    "audio-text-to-text": _pipeline("multimodal text-generation", "text audio", "text"),
    "any-to-any": _pipeline("multimodal", "", "text"),
    "image-to-text": _pipeline("image-understanding", "image", "text"),
    "visual-question-answering": _pipeline("image-understanding question-answering", "text image", "text"),
    "document-question-answering": _pipeline("document-reading question-answering", "text image", "text"),
    "question-answering": _pipeline("question-answering", "text", "text"),
    "table-question-answering": _pipeline("question-answering", "text", "text"),
    "summarization": _pipeline("summarisation", "text", "text"),
    "translation": _pipeline("translation", "text", "text"),
    "fill-mask": _pipeline("fill-mask", "text", "text"),
    "feature-extraction": _pipeline("embedding", "text", "embedding"),
    "sentence-similarity": _pipeline("embedding", "text", "embedding"),
    "image-feature-extraction": _pipeline("image-embedding", "image", "embedding"),
    "text-ranking": _pipeline("reranking", "text", "scores"),
    "text-classification": _pipeline("classification", "text", "scores"),
    "token-classification": _pipeline("classification", "text", "scores"),
    "zero-shot-classification": _pipeline("classification", "text", "scores"),
    "tabular-classification": _pipeline("classification", "file", "scores"),
    "image-classification": _pipeline("classification image-understanding", "image", "scores"),
    "zero-shot-image-classification": _pipeline("classification image-embedding", "text image", "scores"),
    "video-classification": _pipeline("classification", "video", "scores"),
    "audio-classification": _pipeline("classification", "audio", "scores"),
    "automatic-speech-recognition": _pipeline("speech-recognition", "audio", "transcript"),
    "text-to-speech": _pipeline("speech-synthesis", "text", "audio"),
    "text-to-image": _pipeline("image-generation", "text", "image"),
    "image-to-image": _pipeline("image-editing", "image", "image"),
    "image-text-to-image": _pipeline("image-editing", "text image", "image"),
    "text-to-video": _pipeline("video-generation", "text", "video"),
    "image-to-video": _pipeline("video-generation", "image", "video"),
    "image-text-to-video": _pipeline("video-generation", "text image", "video"),
}
"""Pipeline tag to ours. Tags without an entry, such as `object-detection`, have no task in the catalog."""

PIPELINE_OF: Mapping[str, str] = {
    "chat": "text-generation",
    "text-generation": "text-generation",
    "code-generation": "text-generation",
    "multimodal": "image-text-to-text",
    "embedding": "feature-extraction",
    "reranking": "text-ranking",
    "classification": "text-classification",
    "translation": "translation",
    "summarisation": "summarization",
    "question-answering": "question-answering",
    "fill-mask": "fill-mask",
    "speech-recognition": "automatic-speech-recognition",
    "speech-synthesis": "text-to-speech",
    "speech-conversation": "any-to-any",
    "image-generation": "text-to-image",
    "image-editing": "image-to-image",
    "image-understanding": "image-to-text",
    "image-embedding": "image-feature-extraction",
    "video-generation": "text-to-video",
    "document-reading": "image-to-text",
    "moderation": "text-classification",
}
"""A model's main task to the pipeline tag under which the Hub lists such models."""

CHAT_TAG = "conversational"
"""Tag of the Hub for models with a chat template."""

TASK_TAGS: Mapping[str, str] = {
    CHAT_TAG: "chat",
    "code": "code-generation",
}
"""Tag to a task that it adds to those of the pipeline tag."""

TRAIT_TAGS: Mapping[str, str] = {
    "moe": "mixture-of-experts",
    "mixture-of-experts": "mixture-of-experts",
    "matryoshka": "matryoshka",
    "cross-encoder": "cross-encoder",
    "bi-encoder": "bi-encoder",
    "late-interaction": "late-interaction",
    "colbert": "late-interaction",
    "sparse-encoder": "sparse-retrieval",
    "ctc": "ctc",
}
"""Tag to a trait."""

RELATIONS: Mapping[str, str] = {
    "finetune": "fine-tune",
    "adapter": "adapter",
    "merge": "merge",
    "quantized": "quantised",
}
"""`base_model_relation` to ours."""

RELATION_OF: Mapping[str, str] = {
    "fine-tune": "finetune",
    "instruction-tuned": "finetune",
    "continued-pretraining": "finetune",
    "distilled": "finetune",
    "adapter": "adapter",
    "merge": "merge",
    "quantised": "quantized",
    "pruned": "finetune",
}
"""Our relation to `base_model_relation`; several of ours are one of the Hub's."""

LIBRARY_RELATIONS: Mapping[str, str] = {"peft": "adapter"}
"""`library_name` to the relation that it alone makes certain: a card of `peft` is one of an adapter."""

LIBRARY_PIPELINES: Mapping[str, str] = {"sentence-transformers": "sentence-similarity"}
"""`library_name` to the pipeline tag that the Hub takes for it where the card names none."""

LIBRARY_ARCHITECTURES: Mapping[str, str] = {"diffusers": "diffusion"}
"""`library_name` to the architecture that its models have."""

LICENCES = frozenset(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0
    cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0
    cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl
    gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr
    mpl-2.0 odc-by odbl openmdw-1.0 openmdw-1.1 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl
    lgpl-lr deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4
    grok2-community gemma
    """.split()  # noqa: SIM905 - a page of words, not a page of quotation marks
)
"""Ids of licences on the Hub (its page on repositories' licences); any other is `other` with a `license_name`."""

NO_LICENCE = frozenset({"unknown", "other"})
"""Licence ids of the Hub that name none; `other` is explained by `license_name`."""

MANY_LANGUAGES = "multilingual"
"""Word of the Hub for languages that are not listed; `und` here."""
