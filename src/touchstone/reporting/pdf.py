"""A page of ours as a PDF, by WeasyPrint (extra `pdf`): no browser, no network, no file but the machine's fonts."""

from __future__ import annotations

from touchstone.errors import ExtraMissing


def pdf_of(html: str) -> bytes:
    """
    The PDF of one self-contained HTML file of ours.

    Raises:
        ExtraMissing: WeasyPrint, or Pango beneath it, is not installed.
    """
    try:
        import weasyprint
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:  # the library is there and Pango is not
        raise ExtraMissing(feature="PDF", extra="pdf") from error

    # No protocol is allowed: whatever a page may name is not fetched, and what it needs is in it.
    fetcher = URLFetcher(allowed_protocols=(), allow_redirects=False)
    body: bytes = weasyprint.HTML(string=html, url_fetcher=fetcher, media_type="print").write_pdf()
    return body
