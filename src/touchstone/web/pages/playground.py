"""The playground: several candidates side by side, and blind votes on what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.data.base import Case
from touchstone.errors import SettingsError, TouchstoneError, UnknownName
from touchstone.language import _
from touchstone.web.base import Answer, Ask, Move, Route, Show
from touchstone.web.pages import playground_events, playground_keep, playground_session, playground_votes
from touchstone.web.pages.playground_view import HOWS, KINDS, LONGEST_PROMPT, SOURCES, problem_of, session_of, store_of
from touchstone.workspace.playground_base import CAP_USD, MOST_PANES, MOST_TOKENS, Parameters, Session
from touchstone.workspace.playground_choices import choices, find_choice, search
from touchstone.workspace.playground_media import MOST_BYTES
from touchstone.workspace.playground_series import MOST_PROMPTS, PROMPTS, series_of, series_sources

_FORM_BYTES = 2 * MOST_BYTES + (1 << 20)


def start(ask: Ask) -> Answer:
    """Sessions of the project, and a form for a new one; `from` takes over the settings of another."""
    given: dict[str, Any] = {"how": "open", "cap": CAP_USD, "max_tokens": MOST_TOKENS, "prompts": PROMPTS}
    wanted = ask.query.text("from")
    if wanted:
        given = _given_of(session_of(store_of(ask), wanted))
    given["picked"] = ask.query.all("pick", most=MOST_PANES) or given.get("picked", ())
    return _start_page(ask, given)


def begin(ask: Ask) -> Answer:
    """Begin a session; or, where the button says so, look into the catalog and show the form again."""
    form = ask.form
    given: dict[str, Any] = {name: form.raw(name, longest=LONGEST_PROMPT) for name in form if name != "pick"}
    given["picked"] = form.all("pick", most=200)
    if form.text("do") == "find":
        return _start_page(ask, given, found=form.text("find", longest=300))
    try:
        session = _read_session(ask)
    except TouchstoneError as error:
        field, sentence = problem_of(error)
        return _start_page(ask, given, problems={field: sentence}, status=422)
    if session.series:
        playground_votes.ask_upto(ask, session, playground_votes.AHEAD)
    return Move(f"/playground/s/{session.id}")


def _read_session(ask: Ask) -> Session:
    form, workspace = ask.form, ask.workspace
    picked = tuple(dict.fromkeys(form.all("pick", most=200)))
    how = form.choice("how", HOWS, "open")
    if not 1 <= len(picked) <= MOST_PANES:
        raise SettingsError("choose 1 to {most} candidates; {count} are ticked", most=MOST_PANES, count=len(picked))
    if how != "open" and len(picked) < 2:
        raise SettingsError("a blind vote needs two candidates at least; tick another one")
    temperature = form.number("temperature", low=0, high=2)
    top_p = form.number("top_p", low=0.001, high=1)
    stop = tuple(line for line in form.raw("stop", longest=400).split("\n") if line)
    if len(stop) > 4:
        raise SettingsError("{field} takes up to four lines", field="stop")
    parameters = Parameters(
        temperature=temperature,
        top_p=top_p,
        max_tokens=form.whole("max_tokens", MOST_TOKENS, low=1, high=65_536) or MOST_TOKENS,
        seed=form.whole("seed"),
        stop=stop,
    )
    cap = form.number("cap", CAP_USD, low=0, high=10_000)
    series_name = ""
    series: tuple[Case, ...] = ()
    source = form.text("series")
    if source and how != "open":
        count = form.whole("prompts", PROMPTS, low=1, high=MOST_PROMPTS) or PROMPTS
        series_name, series = series_of(workspace, source, count, seed=parameters.seed or 0)
    with ask.catalog() as catalog:
        panes = tuple(find_choice(workspace, catalog, one) for one in picked)
    names = ", ".join(dict.fromkeys(one.name for one in panes))
    if how != "open" and len({one.name for one in panes}) != len(panes):
        # Votes are counted by name.
        panes = tuple(
            one.model_copy(update={"name": f"{one.name} ({one.of or one.source})"})
            if sum(other.name == one.name for other in panes) > 1
            else one
            for one in panes
        )
        if len({one.name for one in panes}) != len(panes):
            raise SettingsError("two of these candidates cannot be told apart by their names; untick one of them")
    return store_of(ask).begin(
        Session(
            id="",
            created="",
            who=ask.viewer.name,
            title=form.text("title", longest=200) or names[:200],
            how=how,
            panes=panes,
            system=form.raw("system", longest=LONGEST_PROMPT),
            parameters=parameters,
            cap_usd=CAP_USD if cap is None else cap,
            series=series,
            series_of=series_name,
        )
    )


def _given_of(session: Session) -> dict[str, Any]:
    said = session.parameters
    return {
        "picked": tuple(one.id for one in session.panes),
        "how": session.how,
        "system": session.system,
        "cap": session.cap_usd,
        "max_tokens": said.max_tokens,
        "stop": "\n".join(said.stop),
        "prompts": len(session.series) or PROMPTS,
        **{name: value for name in ("temperature", "top_p", "seed") if (value := getattr(said, name)) is not None},
    }


def _start_page(
    ask: Ask, given: Mapping[str, Any], *, found: str = "", problems: Mapping[str, str] | None = None, status: int = 200
) -> Answer:
    workspace, store = ask.workspace, store_of(ask)
    known = choices(workspace)
    picked = set(given["picked"])
    with ask.catalog() as catalog:
        hits = search(catalog, found) if found else ()
        kept = []
        for one in sorted(picked):
            if one.startswith("catalog:") and one not in {hit.choice.id for hit in hits}:
                try:
                    kept.append(find_choice(workspace, catalog, one))
                except UnknownName:
                    continue
    groups = {source: [one for one in known if one.source == source] for source in SOURCES}
    groups["catalog"] = [*kept, *(hit.choice for hit in hits)]
    return Show(
        "playground/start.html.j2",
        {
            "sessions": store.sessions(),
            "vote_counts": store.vote_counts(),
            "groups": groups,
            "refused": {hit.choice.id: hit.problem.text(_) for hit in hits if hit.problem is not None},
            "sources": SOURCES,
            "kinds": KINDS,
            "hows": HOWS,
            "picked": picked,
            "given": given,
            "found": found,
            "problems": problems or {},
            "series": series_sources(workspace),
            "most": MOST_PANES,
        },
        status=status,
    )


_SESSION = "/playground/s/{session}"
_ANSWER = _SESSION + "/{turn}/{place}"

routes = (
    Route("/playground", start, "view"),
    Route("/playground/new", begin, "edit", methods=("POST",), body_bytes=1 << 21),
    Route(_SESSION, playground_session.one, "view"),
    Route(_SESSION + "/ask", playground_session.ask_all, "edit", methods=("POST",), body_bytes=_FORM_BYTES),
    Route(_SESSION + "/again", playground_session.again, "edit", methods=("POST",)),
    Route(_SESSION + "/stop", playground_session.stop, "edit", methods=("POST",)),
    Route(_SESSION + "/cap", playground_session.cap, "edit", methods=("POST",)),
    Route(_SESSION + "/delete", playground_session.before_deleting, "edit"),
    Route(_SESSION + "/delete", playground_session.delete, "edit", methods=("POST",)),
    Route(_SESSION + "/vote", playground_votes.vote, "edit", methods=("POST",)),
    Route(_SESSION + "/go-on", playground_votes.go_on, "edit", methods=("POST",)),
    Route(_SESSION + "/events/{turn}", playground_events.events, "view"),
    Route(_SESSION + "/media/{digest}", playground_session.medium, "view"),
    Route(_ANSWER + "/code", playground_keep.code, "view"),
    Route(_ANSWER + "/save", playground_keep.save, "edit"),
    Route(_ANSWER + "/case", playground_keep.save_as_case, "edit", methods=("POST",), body_bytes=1 << 21),
    Route(_ANSWER + "/prompt", playground_keep.save_as_prompt, "edit", methods=("POST",), body_bytes=1 << 21),
    Route("/playground/votes/{session}", playground_votes.ranking, "view"),
    Route("/playground/votes/{session}/export", playground_votes.export, "view"),
)
