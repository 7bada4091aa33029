-- +goose Up

-- What this store is. A demo store never takes real votes, nor the reverse.
CREATE TABLE identity (
  one        INTEGER PRIMARY KEY CHECK (one = 1),
  store      BLOB    NOT NULL,
  demo       INTEGER NOT NULL CHECK (demo IN (0, 1)),
  created_ms INTEGER NOT NULL,
  probed_ms  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE terminal (
  no          INTEGER PRIMARY KEY,
  id          TEXT    NOT NULL UNIQUE,
  counter     TEXT    NOT NULL,
  key         BLOB    NOT NULL CHECK (length(key) = 32),
  secret_hash BLOB    NOT NULL CHECK (length(secret_hash) = 32),
  added_ms    INTEGER NOT NULL,
  seen_ms     INTEGER NOT NULL DEFAULT 0,
  vote_ms     INTEGER NOT NULL DEFAULT 0,
  online      INTEGER NOT NULL DEFAULT 0 CHECK (online IN (0, 1)),
  software    TEXT    NOT NULL DEFAULT ''
) STRICT;

-- One numbering of a terminal. n1..n5 are the casts filed, c1..c5 those the terminal claims.
CREATE TABLE stream (
  no       INTEGER PRIMARY KEY,
  terminal INTEGER NOT NULL REFERENCES terminal (no),
  epoch    BLOB    NOT NULL CHECK (length(epoch) = 16),
  upto     INTEGER NOT NULL,
  head     BLOB    NOT NULL CHECK (length(head) = 32),
  n1 INTEGER NOT NULL, n2 INTEGER NOT NULL, n3 INTEGER NOT NULL, n4 INTEGER NOT NULL, n5 INTEGER NOT NULL,
  c1 INTEGER NOT NULL, c2 INTEGER NOT NULL, c3 INTEGER NOT NULL, c4 INTEGER NOT NULL, c5 INTEGER NOT NULL,
  lost     INTEGER NOT NULL, -- records whose body could not be read
  bad      INTEGER NOT NULL, -- all records with a reason in record.why
  forked   INTEGER NOT NULL DEFAULT 0 CHECK (forked IN (0, 1)),
  claimed  INTEGER NOT NULL DEFAULT 0, -- next seq, by its last hello
  UNIQUE (terminal, epoch)
) STRICT;

-- A batch as signed, for the records first..last that it brought. The chain before record first
-- stands here once for each batch and not in every record: it is needed only where an old batch
-- comes again, and then at most 500 digests are walked. mark chains all proofs in filing order.
CREATE TABLE proof (
  no          INTEGER PRIMARY KEY,
  stream      INTEGER NOT NULL REFERENCES stream (no),
  first       INTEGER NOT NULL,
  last        INTEGER NOT NULL,
  prev        BLOB    NOT NULL CHECK (length(prev) = 32),
  received_ms INTEGER NOT NULL,
  mark        BLOB    NOT NULL CHECK (length(mark) = 32),
  envelope    BLOB    NOT NULL,
  UNIQUE (stream, first)
) STRICT;

CREATE TABLE record (
  stream INTEGER NOT NULL REFERENCES stream (no),
  seq    INTEGER NOT NULL,
  kind   INTEGER NOT NULL, -- vote.Kind, 0 where the body could not be read
  proof  INTEGER NOT NULL REFERENCES proof (no),
  digest BLOB    NOT NULL CHECK (length(digest) = 32),
  why    TEXT,             -- why it is quarantined
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE vote (
  filed       INTEGER PRIMARY KEY AUTOINCREMENT,
  stream      INTEGER NOT NULL REFERENCES stream (no),
  seq         INTEGER NOT NULL,
  level       INTEGER NOT NULL,
  first_level INTEGER NOT NULL,
  survey      TEXT    NOT NULL,
  version     INTEGER NOT NULL,
  layout      TEXT    NOT NULL,
  language    TEXT    NOT NULL,
  channel     INTEGER NOT NULL,
  counter     TEXT    NOT NULL,
  officer     TEXT    NOT NULL,
  flags       INTEGER NOT NULL,
  contested   INTEGER NOT NULL CHECK (contested IN (0, 1)),
  ignored     INTEGER NOT NULL,
  reasons     TEXT    NOT NULL, -- JSON array of codes, '' for none
  boot        INTEGER NOT NULL,
  since_ms    INTEGER NOT NULL,
  wall_ms     INTEGER NOT NULL,
  synced      INTEGER NOT NULL CHECK (synced IN (0, 1)),
  at_ms       INTEGER,          -- NULL where the time is not known
  quality     INTEGER NOT NULL, -- 0 unknown, 1 anchored, 2 exact
  counted     INTEGER NOT NULL CHECK (counted IN (0, 1)),
  UNIQUE (stream, seq)
) STRICT;

CREATE TABLE event (
  stream   INTEGER NOT NULL REFERENCES stream (no),
  seq      INTEGER NOT NULL,
  code     TEXT    NOT NULL,
  note     TEXT    NOT NULL,
  boot     INTEGER NOT NULL,
  since_ms INTEGER NOT NULL,
  wall_ms  INTEGER NOT NULL,
  synced   INTEGER NOT NULL CHECK (synced IN (0, 1)),
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

-- Sealed personal data stands apart, so that it can be purged without touching a vote.
CREATE TABLE personal (
  stream INTEGER NOT NULL REFERENCES stream (no),
  seq    INTEGER NOT NULL,
  vote   INTEGER NOT NULL, -- seq of the cast
  sealed BLOB    NOT NULL,
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

-- hour is floor(unix / 3600), -1 where the time is not known.
CREATE TABLE hour_count (
  hour     INTEGER NOT NULL,
  terminal INTEGER NOT NULL REFERENCES terminal (no),
  n1 INTEGER NOT NULL, n2 INTEGER NOT NULL, n3 INTEGER NOT NULL, n4 INTEGER NOT NULL, n5 INTEGER NOT NULL,
  PRIMARY KEY (hour, terminal)
) STRICT, WITHOUT ROWID;

-- day is Vietnamese; terminal 0 is the hall. n1..n5 are the counts, s1..s5 what a live view shows.
CREATE TABLE day_count (
  day      INTEGER NOT NULL,
  terminal INTEGER NOT NULL,
  n1 INTEGER NOT NULL, n2 INTEGER NOT NULL, n3 INTEGER NOT NULL, n4 INTEGER NOT NULL, n5 INTEGER NOT NULL,
  s1 INTEGER NOT NULL, s2 INTEGER NOT NULL, s3 INTEGER NOT NULL, s4 INTEGER NOT NULL, s5 INTEGER NOT NULL,
  PRIMARY KEY (day, terminal)
) STRICT, WITHOUT ROWID;

-- The centre's wall clock when a terminal booted. The first word stays: a replayed message moves
-- nothing. By epoch, because a new outbox may count its boots from 1 again.
CREATE TABLE anchor (
  stream  INTEGER NOT NULL REFERENCES stream (no),
  boot    INTEGER NOT NULL,
  wall_ms INTEGER NOT NULL,
  PRIMARY KEY (stream, boot)
) STRICT, WITHOUT ROWID;

-- Records that a terminal no longer had when the centre asked. head is the chain after the last.
CREATE TABLE hole (
  stream   INTEGER NOT NULL REFERENCES stream (no),
  first    INTEGER NOT NULL,
  last     INTEGER NOT NULL,
  head     BLOB    NOT NULL CHECK (length(head) = 32),
  noted_ms INTEGER NOT NULL,
  PRIMARY KEY (stream, first)
) STRICT, WITHOUT ROWID;

-- Signed messages that could not be filed, each once however often it comes.
CREATE TABLE quarantine (
  digest   BLOB    PRIMARY KEY, -- SHA-256 of raw
  terminal INTEGER NOT NULL REFERENCES terminal (no),
  epoch    BLOB    NOT NULL CHECK (length(epoch) = 16),
  fork     INTEGER NOT NULL CHECK (fork IN (0, 1)), -- 1: evidence that the stream is forked
  why      TEXT    NOT NULL,
  raw      BLOB    NOT NULL,
  noted_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE token (
  hash     BLOB    PRIMARY KEY,
  name     TEXT    NOT NULL,
  scopes   TEXT    NOT NULL, -- JSON array
  added_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE link (
  hash       BLOB    PRIMARY KEY,
  expires_ms INTEGER NOT NULL,
  used_ms    INTEGER
) STRICT;

-- +goose Down
