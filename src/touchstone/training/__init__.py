"""Make models: fine-tune or train from scratch."""
