-- The journal of one run: everything that was paid for, once (DESIGN.md §7).
--
-- One process writes: the driver, which holds an exclusive flock on <run>/lock. There is one
-- exception: anybody may add a row to `requests`. Any number of processes may read at any time.
--
-- steps     One row per paid act (a brain's answer, a search, an execution, a judgement, a decision
--           such as "does it fit?"), at a readable address. States:
--               running   begun; nothing is known of the end. After a crash it is played again.
--               ok        `result` holds the answer as JSON; it is never played again.
--               error     our own code failed; `error` says how. It is played again on resume.
--           `inputs` is the digest of what the step was asked with. `began` and `ended` are ticks
--           of the run's own counter, not of any clock: a step that ended before another began
--           cannot depend on it, which is what a fork goes by. `seconds` comes from a clock that
--           never jumps; `started` and `finished` are wall times, for people only.
-- facts     What the run is: settings, task, versions, as JSON by name.
-- notes     Lines for people, at the address they are about; never read by the algorithm. At
--           `<address>/told` stand records for pages and reports, as JSON after their type's name.
-- sittings  One row per process that has driven the run, and the seconds it worked. A sitting whose
--           process was killed counts up to its last heartbeat.
-- requests  Wishes of other processes. The only one is `stop`; a new sitting starts with none open.
-- applied   The names of the migrations that have run (migrations.py).
--
-- Arrays and files are not here: they are blobs in <run>/blobs, named by their content, and on disk
-- before any row names them.

CREATE TABLE steps (
    address   TEXT PRIMARY KEY,
    verb      TEXT NOT NULL,
    inputs    TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('running', 'ok', 'error')),
    result    TEXT,
    error     TEXT,
    cost_usd  REAL,
    tokens    INTEGER,
    began     INTEGER NOT NULL,
    ended     INTEGER,
    started   REAL NOT NULL,
    finished  REAL,
    seconds   REAL
);
CREATE INDEX steps_began ON steps (began);

CREATE TABLE facts (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
);

CREATE TABLE notes (
    number   INTEGER PRIMARY KEY,
    address  TEXT NOT NULL,
    text     TEXT NOT NULL,
    at       REAL NOT NULL,
    UNIQUE (address, text) ON CONFLICT IGNORE
);

CREATE TABLE sittings (
    number     INTEGER PRIMARY KEY,
    started    REAL NOT NULL,
    heartbeat  REAL NOT NULL,
    seconds    REAL NOT NULL DEFAULT 0,
    pid        INTEGER NOT NULL
);

CREATE TABLE requests (
    number   INTEGER PRIMARY KEY,
    wish     TEXT NOT NULL CHECK (wish IN ('stop')),
    at       REAL NOT NULL,
    sitting  INTEGER
);
