"""What every request passes before a page sees it."""

from __future__ import annotations

from tests.web.visiting import RunningSite, Visitor


def test_the_link_works_once(site: RunningSite) -> None:
    """Whoever has the printed link comes in; whoever finds it later does not."""
    link = site.server.new_link().removeprefix(site.address)
    first, second = Visitor(site.address), Visitor(site.address)
    assert first.get(link).status == 200
    assert second.get(link).status == 401
    assert "Sign in" in second.get("/").words


def test_a_form_of_another_session_changes_nothing(site: RunningSite) -> None:
    """The token of one session is no use in another."""
    one, other = site.visitor(), site.visitor()
    one.get("/")
    token = one.form_token
    other.get("/")
    other.form_token = token
    assert other.post("/theme", {"to": "dark"}).status == 403


def test_forms_come_from_our_pages_only(visitor: Visitor) -> None:
    """A page of somebody else can send a form; it is not taken."""
    assert visitor.post("/theme", {"to": "dark"}, headers={"Origin": "https://evil.example"}).status == 403
    assert visitor.post("/theme", {"to": "dark"}, headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    assert visitor.post("/theme", {"to": "dark"}).status == 200


def test_the_site_is_called_by_its_name(visitor: Visitor) -> None:
    """Another name, to which somebody's DNS gave our address, is refused."""
    assert visitor.ask("GET", "/", headers={"Host": "evil.example"}).status == 421


def test_language_and_theme_are_kept(visitor: Visitor) -> None:
    """A choice holds for every page from then on."""
    assert 'lang="en"' in visitor.get("/").text
    visitor.post("/language", {"to": "zh"})
    visitor.post("/theme", {"to": "dark"})
    page = visitor.get("/jobs").text
    assert 'lang="zh-CN"' in page
    assert 'data-theme="dark"' in page


def test_pages_are_not_kept_by_anybody(visitor: Visitor) -> None:
    """Every answer carries the content policy and is not stored."""
    headers = visitor.get("/").headers
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
