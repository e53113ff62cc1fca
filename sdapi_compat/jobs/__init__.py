"""Jobs that outlive their connection and their process: what was asked, where it stands, what came of it.

`keeper.Keeper` is the door. `store` keeps a row per job in SQLite and a file per result; nothing here knows
HTTP or what a request means.
"""
