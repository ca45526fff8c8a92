"""What the gateway offers beside its own routes: OpenAI's API in front of measured recipes."""
