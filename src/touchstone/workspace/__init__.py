"""The front door: everything a command or a page can ask for."""
