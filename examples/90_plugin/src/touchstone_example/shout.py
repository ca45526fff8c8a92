"""A model kind: `shout/anything` answers with the question in capitals."""

from touchstone.catalog.base import Price
from touchstone.errors import ProviderFailed
from touchstone.models.base import ChatRequest, Completion, Reply, TextPart, Usage


class Shout:
    """Says the last message louder; `mark` ends the sentence."""

    def __init__(self, served_name: str, *, mark: str = "!", concurrency: int = 16) -> None:
        self.served_name = served_name
        self.mark = mark
        self.concurrency = concurrency
        self.name = f"shout/{served_name}"
        self.endpoint = f"shout/1|{served_name}|{mark}"
        self.paid = False
        self.price: Price | None = Price(input_usd=0, output_usd=0, source="runs in this process")

    async def send(self, request: ChatRequest) -> Reply:
        """The reply, as bytes that `read` understands."""
        content = request.messages[-1].content
        text = content if isinstance(content, str) else "".join(part.text for part in content if part.type == "text")
        return Reply(body=b"shout:" + (text.upper() + self.mark).encode(), latency_s=0.0)

    def read(self, reply: Reply) -> Completion:
        """What was shouted."""
        if not reply.body.startswith(b"shout:"):
            raise ProviderFailed("{model}: this is no reply of a shouting model", model=self.name)
        text = reply.body.removeprefix(b"shout:").decode()
        return Completion(
            parts=(TextPart(text=text),),
            usage=Usage(input_tokens=0, output_tokens=len(text.split())),
            cost_usd=0.0,
            latency_s=reply.latency_s,
            finish="stop",
        )

    async def close(self) -> None:
        """Nothing is held open."""
