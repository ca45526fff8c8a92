"""Which column of a file is which: the mapping applied, and names people often use, to suggest and never to guess."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from touchstone.data.base import COLUMNS
from touchstone.errors import DataError

ALIASES: Mapping[str, tuple[str, ...]] = {
    column: tuple(names.split())
    for column, names in {
        "id": "id case_id question_id example_id item_id qid uid uuid idx index guid task_id message_id ticket_id "
        "编号 序号",
        "input": "input question text prompt query message sentence utterance content instruction problem source "
        "document article review comment body description title request inputs user tweet premise query_text "
        "question_text 文本 问题 输入 内容 句子 题目 消息 评论 提问 输入文本",
        "target": "target label answer expected output expected_output gold ideal reference intent category class "
        "solution response completion ground_truth expected_answer correct_answer answer_key answerkey label_text "
        "sentiment summary translation highlights targets labels answers y "
        "意图 标签 答案 分类 类别 输出 期望 参考答案 标准答案 回答",
        "split": "split subset fold partition 数据集 划分",
        "group": "group cluster customer customer_id user_id document_id doc_id conversation_id thread_id patient_id "
        "分组 客户",
        "tags": "tags tag topic subject domain language lang difficulty level 主题 语言 科目",
        "options": "options choices candidates alternatives 选项",
        "messages": "messages conversation conversations dialog dialogue chat 对话",
        "image": "image image_path img picture photo 图片",
        "audio": "audio audio_path recording wav 音频",
    }.items()
}
"""Names in use, most telling first, in lower case."""

ASKS = ("input", "messages", "image", "audio")
"""Columns one of which every case needs."""


def suggestion(names: Iterable[str], wanted: Iterable[str] = COLUMNS) -> dict[str, str]:
    """Our column to the file's column that is most likely meant, for those of `wanted` where one is."""
    folded = {name.strip().casefold().replace(" ", "_").replace("-", "_"): name for name in reversed(list(names))}
    found: dict[str, str] = {}
    for column in wanted:
        free = (folded.get(alias) for alias in ALIASES[column])
        match = next((name for name in free if name is not None and name not in found.values()), None)
        if match is not None:
            found[column] = match
    return found


def flow_mapping(columns: Mapping[str, str]) -> str:
    """`{input: question, target: answer}`, as a task file has it."""
    return "{" + ", ".join(f"{ours}: {theirs}" for ours, theirs in columns.items()) + "}"


def chosen_columns(path: Path, names: Iterable[str], mapping: Mapping[str, str], split: str) -> dict[str, str]:
    """
    Our column to the file's column; later rows may have columns that the first ones lack.

    A name that is not mapped stands for itself. Mapping `input` or `messages` says what is asked, so the other one is
    then an ordinary field unless it is mapped as well.

    Args:
        path: The file, for errors.
        names: The columns it has, as far as its first rows show.
        mapping: `CaseSource.columns`.
        split: Split that the task file gives the file; empty when a column says it.

    Raises:
        DataError: a mapped column does not exist, or nothing in the file can be asked.
    """
    names = list(names)
    for ours, theirs in mapping.items():
        if ours not in COLUMNS:
            close = get_close_matches(ours, COLUMNS, n=1)
            raise DataError(
                "columns maps {name!r}, which is none of our columns; closest: {close}",
                path=path,
                name=ours,
                close=close[0] if close else ", ".join(COLUMNS),
            )
        if theirs not in names:
            raise _no_column(path, ours, theirs, names)
    silent = {"input", "messages"} if {"input", "messages"} & set(mapping) else set()
    if split:
        silent.add("split")
    chosen = {column: mapping.get(column, column) for column in COLUMNS if column in mapping or column not in silent}
    if not any(chosen.get(column) in names for column in ASKS):
        raise _nothing_to_ask(path, names)
    return chosen


def _no_column(path: Path, ours: str, theirs: str, names: list[str]) -> DataError:
    folded = {name.casefold(): name for name in names}
    close = folded.get(theirs.casefold()) or next(iter(get_close_matches(theirs, names, n=1, cutoff=0.5)), None)
    close = close or suggestion(names, (ours,)).get(ours)
    if close is None:
        return DataError(
            "there is no column {column!r}, which `columns` names for {name}; the file has {found}",
            path=path,
            column=theirs,
            name=ours,
            found=", ".join(names),
        )
    return DataError(
        "there is no column {column!r}, which `columns` names for {name}; the file has {found}; closest: {close!r}",
        path=path,
        column=theirs,
        name=ours,
        found=", ".join(names),
        close=close,
    )


def _nothing_to_ask(path: Path, names: list[str]) -> DataError:
    likely = suggestion(names, ("input", "target"))
    if "input" in likely:
        return DataError(
            "there is no column `input`; the file has {found}; "
            "add `columns: {mapping}` to the task file if that is meant",
            path=path,
            found=", ".join(names),
            mapping=flow_mapping({ours: theirs for ours, theirs in likely.items() if ours != theirs}),
        )
    return DataError(
        "there is no column `input`; the file has {found}; say which one is asked with `columns: {{input: NAME}}`",
        path=path,
        found=", ".join(names),
    )
