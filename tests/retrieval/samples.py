"""Documents that several tests use."""

from __future__ import annotations

from touchstone.retrieval.base import Document, Section

HANDBOOK = Document(
    id="handbook.md",
    title="Handbook",
    digest="0" * 64,
    sections=(
        Section(text="Read this first. It is short."),
        Section(headings=("Returns",), text="Send it back within 30 days. Keep the receipt!"),
        Section(headings=("Returns", "Batteries"), text="Batteries are dangerous goods. Call us."),
        Section(headings=("退货",), text="三十天内可以退货。请保留发票！运费由我们承担。"),
    ),
)
