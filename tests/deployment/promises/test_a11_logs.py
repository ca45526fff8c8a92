"""A11 and R29: nothing that a client sends can forge a line of the log, and no secret or text gets into one."""

from __future__ import annotations

import json

from tests.deployment.gateway.house import open_house, request, secret

from touchstone.deployment.gateway.limits import DoorLimits

CANARY = "canary-4f1d"
FORGED = '{"event":"forged"}'


def test_a11_canaries_of_all_places_stay_out_of_the_log() -> None:
    """Keys, prompts, paths, queries, headers and header names that clients send are in no line, whatever failed."""
    with open_house(DoorLimits(header_s=0.3, body_s=0.3, stop_s=0.2, settle_s=0.5)) as house:
        text = f'{{"text": "{CANARY}"}}'.encode()
        house.ask("POST", "/v1/echo", text)
        house.ask("POST", "/v1/echo", text + b"}")
        house.ask("POST", "/v1/fail", text)
        house.ask("POST", "/v1/stream", f'{{"fail_at": 0, "x": "{CANARY}"}}'.encode())
        house.ask("GET", f"/v1/{CANARY}/{secret('ann')}")
        house.ask("GET", f"/v1/models?{CANARY}={secret('ann')}")
        house.ask("GET", f"/v1/models?api_key={CANARY}")
        house.ask("GET", f"/v1/items/{CANARY}", key="files")
        house.ask("GET", f"/v1/items/a?limit={CANARY}", key="files")
        house.ask("GET", "/v1/models", key=CANARY)
        house.ask("GET", "/v1/models", user_agent=CANARY, referer=CANARY, cookie=CANARY, x_api_key=CANARY)
        house.ask("GET", "/v1/models", host=f"{CANARY}.example")
        house.ask("POST", "/v1/echo", text, content_type=f"text/{CANARY}")
        house.ask("POST", "/v1/echo", text, origin=f"https://{CANARY}.example")
        house.say(f"GET /{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\nX: {CANARY}\n\r\n".encode())
        with house.client() as client:
            client.send(request("POST", "/v1/echo", port=house.port, body=text)[:-2])
            client.reply()
        events = {line["event"] for line in house.log}
        written = b"".join(house.lines)
    assert events == {"request", "refused", "failure"}
    for hidden in (CANARY, secret("ann"), secret(CANARY), "nobody may see", secret("ann")[3:20]):
        assert hidden.encode() not in written, hidden


def test_a11_every_line_parses() -> None:
    """After requests made of line ends and escapes, the log is lines of JSON with events that there are."""
    with open_house(DoorLimits(stop_s=0.2, settle_s=0.5)) as house:
        for nasty in ("\r\n" + FORGED, "\n" + FORGED, "\x1b[2J", "\x85" + FORGED, "%0a" + FORGED, "\x00", "\u00ad"):
            raw = nasty.encode("latin-1")
            house.say(b"GET /" + raw + b" HTTP/1.1\r\nConnection: close\r\nHost: 127.0.0.1\r\n\r\n")
            head = b"GET /v1/models HTTP/1.1\r\nConnection: close\r\nHost: 127.0.0.1\r\nUser-Agent: "
            house.say(head + raw + b"\r\n\r\n")
        lines = b"".join(house.lines) if house.log else b""
    for line in lines.splitlines():
        assert json.loads(line)["event"] in ("request", "refused")
        assert line.isascii()
