"""Assets: pretrained weights and other files that scripts read as `assets/<name>/…` (DESIGN.md §10).

Jobs have no network, so what they need comes in beforehand, outside: hashed, with its licence noted, kept in a
store that runs share. `adding.add` brings something in (it is apart because its HTTP library is slow to import).

    STORE/ready/<name>/…      what jobs see, whole or not there
    STORE/entries/<name>.json what is known of it
    STORE/drafts/             what is being brought in; STORE/lock is held meanwhile
"""

from mlestar.assets.store import Entry, File, entries, remove, shelf

__all__ = ["Entry", "File", "entries", "remove", "shelf"]
