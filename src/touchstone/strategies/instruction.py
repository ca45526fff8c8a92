"""The words of a system text: what to do, and in what form the answer is wanted."""

from __future__ import annotations

from touchstone.scoring.base import AnswerSpec


def default_system(instruction: str, answer: AnswerSpec) -> str:
    """The instruction with what the answer reader needs to find the answer; the same words for every model."""
    return "\n".join(part for part in (instruction.strip(), answer_form(answer)) if part)


def answer_form(answer: AnswerSpec, *, thinking: bool = False) -> str:
    """
    What a model is told about the form of its answer; "" where any form will do.

    Args:
        answer: Where the reader looks for the answer.
        thinking: Whether the answer may have thoughts before it, so that it must be set apart from them.
    """
    lines = []
    if answer.source == "json":
        lines.append(f'Reply with a JSON object that has the field "{answer.argument or "answer"}".')
    elif answer.source == "after" and answer.argument:
        lines.append(f"End with one line: {answer.argument} followed by your answer.")
    elif answer.kind == "label" and answer.labels:
        if thinking:
            lines.append("End with one line: Answer: LABEL, where LABEL is exactly one of these labels:")
        else:
            lines.append("Reply with exactly one of these labels and nothing else:")
        lines.extend(f"- {label}" for label in answer.labels)
    elif answer.kind == "choice":
        lines.append("End with one line: Answer: X, where X is the letter of the right option.")
    elif answer.kind == "number":
        lines.append("End with one line: Answer: N, where N is the number.")
    elif answer.kind == "json":
        lines.append("Reply with one JSON value and nothing else.")
    return "\n".join(lines)


def structured_form(answer: AnswerSpec) -> str:
    """What a model is told whose provider holds it to a JSON Schema: the field, and the labels there are."""
    if answer.source != "json":
        return answer_form(answer)
    lines = [answer_form(answer)]
    if answer.kind == "label" and answer.labels:
        lines.append("It is exactly one of these labels:")
        lines.extend(f"- {label}" for label in answer.labels)
    return "\n".join(lines)
