"""Choose an AI model for one business scenario with evidence, make it better, and put it into service."""

__version__ = "0.1.0"
