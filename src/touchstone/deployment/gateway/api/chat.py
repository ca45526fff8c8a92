"""`/v1/chat/completions`: what a client sends is asked, and what comes back is the reply."""

from __future__ import annotations

from touchstone.deployment.base import Kind
from touchstone.deployment.gateway.api.base import Form


class ChatForm(Form):
    """Chat completions as they are."""

    kind: Kind = "chat"
    asks: Kind = "chat"
    path = "/v1/chat/completions"
