"""One pass over the cases before anything is paid: what there is, and what is wrong with it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from touchstone.data.base import SPLITS, Case, CaseSource, CaseSummary
from touchstone.data.cases import located_cases
from touchstone.data.columns import flow_mapping, suggestion
from touchstone.data.digests import canonical_bytes
from touchstone.data.findings import Findings
from touchstone.data.likeness import asked_text
from touchstone.data.media import media_fault, media_folder
from touchstone.data.readers import reader_for
from touchstone.data.sameness import Sameness
from touchstone.data.targets import TargetCheck
from touchstone.language import LANGUAGES, current_language, in_language

FEWEST_TEST_CASES = 30
"""Fewer cannot rank candidates (method, section 2)."""
MOST_LABELS = 1000
_LONGEST_LABEL_CHARS = 1000
_SHOWN_CHARS = 80
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufffd]")


def check_cases(
    source: CaseSource,
    *,
    labels: Sequence[str] = (),
    needs_target: bool = True,
    kind: str = "text",
    limit: int | None = None,
) -> CaseSummary:
    """
    Read all cases once and report what a user should know before a run.

    Memory is bounded by the number of cases, not by their length: about 30 bytes a case, and one copy of 8 bytes a case
    while equal ones are looked for.

    Args:
        source: Where the cases are.
        labels: The closed list of labels; empty when there is none.
        needs_target: Whether some scorer compares with a target.
        kind: Kind of answer: label, choice, number, text, json or free.
        limit: At most so many cases, for a first look; a run looks at all of them.

    Raises:
        DataError: a row that cannot be read as a case at all.
    """
    check = _Check(source, labels, needs_target, kind)
    for path, case, given in islice(located_cases(source), limit):
        check.look(path, case, given)
    return check.summary()


class _Check:
    def __init__(self, source: CaseSource, labels: Sequence[str], needs_target: bool, kind: str) -> None:
        self.source = source
        self.kind = kind
        self.needs_target = needs_target
        self.findings = Findings()
        self.targets = TargetCheck(kind, labels, self.findings)
        self.sameness = Sameness()
        self.digest = hashlib.sha256()
        self.counts: Counter[str] = Counter()
        self.labels: Counter[str] | None = Counter()
        self.tags: Counter[str] = Counter()
        self.with_target = 0
        self.first: tuple[Path, Case] | None = None

    def look(self, path: Path, case: Case, given: bool) -> None:
        """Take in one case; `given` says whether its id stands in the file."""
        if self.first is None:
            self.first = (path, case)
        self.counts[case.split] += 1
        try:
            self.digest.update(canonical_bytes(case))
        except TypeError:
            # Our readers refuse it, a guest's may not.
            self.findings.error(
                "half_characters",
                path,
                case.row,
                template="cases with half of a surrogate pair, which is no character and cannot be sent: "
                "{count} (rows {rows}); "
                "write the texts again",
            )
        asked = asked_text(case)
        self._look_at_question(path, case, asked)
        self._look_at_target(path, case)
        for tag in case.tags:
            if tag in self.tags or len(self.tags) < MOST_LABELS:
                self.tags[tag] += 1
        self._look_for_odd_characters(path, case, asked)
        self.sameness.remember(path, case, asked, given)

    def _look_at_question(self, path: Path, case: Case, asked: str) -> None:
        self._look_at_media(path, case)
        if case.image or case.audio or _has_media(case):
            return
        if not (asked if case.messages is None and not case.options else case.text).strip():
            self.findings.error(
                "empty_input",
                path,
                case.row,
                template="cases that ask nothing: {count} (rows {rows}); fill in the input or take the rows out",
            )

    def _look_at_media(self, path: Path, case: Case) -> None:
        references: tuple[tuple[Literal["image", "audio"], str | None], ...] = (
            ("image", case.image),
            ("audio", case.audio),
        )
        for column, reference in references:
            if reference:
                self._look_at_file(path, case.row, column, reference)

    def _look_at_file(self, path: Path, row: int | None, column: Literal["image", "audio"], reference: str) -> None:
        fault, shown = media_fault(column, reference, media_folder(path)), reference[:_SHOWN_CHARS]
        if fault == "missing":
            self.findings.error(
                "missing_media",
                path,
                row,
                template="cases whose image or recording is not there: {count} (rows {rows}); "
                "paths start at the folder of the cases",
            )
        elif fault == "outside":
            self.findings.error(
                "media_outside",
                path,
                row,
                template="cases whose image or recording lies outside the folder of the cases: {count} (rows {rows}; "
                "the first is {value!r}); only files of that folder are sent, copy them there and write relative paths",
                value=shown,
            )
        elif fault == "kind":
            self.findings.error(
                "media_kind",
                path,
                row,
                template="cases whose image is no image or whose recording is no recording by its name: {count} (rows "
                "{rows}; the first is {value!r}); use files such as .png, .jpg, .wav or .mp3",
                value=shown,
            )
        elif fault == "address":
            self.findings.error(
                "audio_address",
                path,
                row,
                template="cases whose recording is an address: {count} (rows {rows}; the first is {value!r}); "
                "no request can hold one, save the recordings beside the cases",
                value=shown,
            )

    def _look_at_target(self, path: Path, case: Case) -> None:
        if case.target is not None and case.target.strip():
            self.with_target += 1
            if self.labels is not None:
                self.labels[case.target] += 1
                if len(self.labels) > MOST_LABELS or len(case.target) > _LONGEST_LABEL_CHARS:
                    self.labels = None
            if self.needs_target:
                self.targets.look(path, case)
        elif self.needs_target:
            self.findings.error(
                "empty_target",
                path,
                case.row,
                template="cases without a target: {count} (rows {rows}); fill it in or take the rows out",
            )

    def _look_for_odd_characters(self, path: Path, case: Case, asked: str) -> None:
        for text in (asked, case.target or "", case.id):
            if text.isprintable() and "\ufffd" not in text:
                continue
            found = _ODD.search(text)
            if found is None:
                continue
            if found[0] == "\ufffd":
                self.findings.warning(
                    "damaged_text",
                    path,
                    case.row,
                    template="cases with the sign for lost characters, U+FFFD: {count} (rows {rows}); "
                    "the file was probably saved with a wrong encoding",
                )
            else:
                self.findings.warning(
                    "control_characters",
                    path,
                    case.row,
                    template="cases with control characters: {count} (rows {rows}; the first is U+{code}); "
                    "they are sent as they are, take them out if they are not meant",
                    code=f"{ord(found[0]):04X}",
                )
            return

    def summary(self) -> CaseSummary:
        """Everything found, once all cases have been looked at."""
        self._look_at_whole()
        self.sameness.report(self.findings, allow_duplicates=self.source.allow_duplicates)
        self._name_duplicate_ids()
        groups = self.sameness.groups()
        labels: Mapping[str, int] = self.labels or {}
        described = {code: in_language(code, self._described) for code in LANGUAGES}
        return CaseSummary(
            counts={split: self.counts[split] for split in SPLITS},
            labels=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
            tags=dict(sorted(self.tags.items(), key=lambda item: (-item[1], item[0]))),
            groups=groups,
            digest=self.digest.hexdigest(),
            described=described[current_language()],
            described_in=described,
            problems=self.findings.problems(),
        )

    def _name_duplicate_ids(self) -> None:
        """Ids are not kept, so those that must be named are read again."""
        wanted = self.findings.first_rows("duplicate_id")
        if wanted:
            for path, case, _given in located_cases(self.source):
                if wanted.get(path) == case.row:
                    self.findings.name("duplicate_id", path, case.id)

    def _look_at_whole(self) -> None:
        path = Path(self.source.files.get("test") or list(self.source.files.values())[-1])
        tested = self.counts["test"]
        if tested == 0:
            self.findings.error(
                "no_test_cases",
                path,
                None,
                template="no case is in the split test; mark some rows with split = test, or leave the split out",
            )
        elif tested < FEWEST_TEST_CASES:
            self.findings.warning(
                "few_test_cases",
                path,
                None,
                template="{tested} test cases are too few to rank candidates; "
                "{least} are the least, a few hundred are good",
                tested=tested,
                least=FEWEST_TEST_CASES,
            )
        if self.needs_target and self.with_target == 0 and self.first is not None:
            self.findings.forget("empty_target")
            self._no_target_at_all(*self.first)
        if self.labels and self.kind == "label":
            self._label_variants(path, self.labels)

    def _no_target_at_all(self, path: Path, case: Case) -> None:
        likely = suggestion(case.fields, ("target",))
        if likely:
            self.findings.error(
                "no_target_column",
                path,
                None,
                template="there is no column `target`; the file has {found}; "
                "add `columns: {mapping}` to the task file if that is meant",
                found=", ".join(case.fields),
                mapping=flow_mapping(likely),
            )
        else:
            self.findings.error(
                "no_target_column",
                path,
                None,
                template="no case has a target; say which column holds it with `columns: {{target: NAME}}`",
            )

    def _label_variants(self, path: Path, labels: Counter[str]) -> None:
        folded: dict[str, str] = {}
        for label in sorted(labels, key=lambda label: -labels[label]):
            same = folded.setdefault(" ".join(label.casefold().split()), label)
            if same != label:
                self.findings.warning(
                    "label_variants",
                    path,
                    None,
                    template="the labels {first!r} and {second!r} differ in capitals or spaces alone; write them alike",
                    of=label,
                    first=same,
                    second=label,
                )

    def _described(self) -> str:
        several = len(self.source.files) > 1
        lines = []
        for split, path in self.source.files.items():
            reader = reader_for(Path(path), self.source.format)
            line = reader.describe(Path(path), encoding=self.source.encoding)
            lines.append(f"{split}: {line}" if several else line)
        return "; ".join(lines)


def _has_media(case: Case) -> bool:
    return any(
        part.type != "text"
        for message in case.messages or ()
        if not isinstance(message.content, str)
        for part in message.content
    )
