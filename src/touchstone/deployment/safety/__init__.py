"""What is looked for in the texts that go to a model and come from it."""
