"""Commands: parse at the edge, call the workspace, print."""
