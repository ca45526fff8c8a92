"""One database for everything: open it, version its tables, keep a copy before a migration."""
