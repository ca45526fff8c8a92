"""The web pages: the whole journey in a browser. Views of one workspace; nothing exists only here."""
