"""Options: the table of all of them, immutable snapshots, and the store behind config.json."""
