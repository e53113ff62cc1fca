"""HTTP handlers, one file per route group."""
