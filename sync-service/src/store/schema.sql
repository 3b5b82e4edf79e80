-- Everything that the service knows. It can be dropped at any time: the service makes it again, and clients download again.
-- Names that are compared byte by byte have the "C" collation, which also makes their indexes fast.
CREATE SCHEMA IF NOT EXISTS sync_service;

-- The sync configs that were deployed. The version is part of every bucket's name.
CREATE TABLE IF NOT EXISTS sync_service.config_version (
    version bigint PRIMARY KEY,
    content text NOT NULL,
    state text NOT NULL CHECK (state IN ('deploying', 'active', 'replaced', 'failed')),
    -- Why it failed.
    error text,
    -- The release of the service that has read every row for it.
    read_by text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS config_version_in_use ON sync_service.config_version (state)
    WHERE state IN ('deploying', 'active');

-- How far the sequencer is: one row. `drain` counts its commits; `lineage` says which database this was written in.
CREATE TABLE IF NOT EXISTS sync_service.progress (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    last_op_id bigint NOT NULL,
    drain bigint NOT NULL,
    lineage text NOT NULL
);

-- What writers note: a row of a table has changed, or (key null) any of them may have.
CREATE TABLE IF NOT EXISTS sync_service.queue (rel oid NOT NULL, key text);
ALTER TABLE sync_service.queue SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The tables that have our triggers, what the triggers were made from, and what the catalog said of them then.
CREATE TABLE IF NOT EXISTS sync_service.noted_table (rel oid PRIMARY KEY, made_from text NOT NULL, triggers text);
ALTER TABLE sync_service.noted_table ADD COLUMN IF NOT EXISTS triggers text;

-- The tables that have to be read as a whole, because not all that was written to them was in the queue.
CREATE TABLE IF NOT EXISTS sync_service.unread (rel oid PRIMARY KEY);

-- The bucket that each row of a source is in, and a hash of what was published of it.
CREATE TABLE IF NOT EXISTS sync_service.row_bucket (
    version bigint NOT NULL,
    source integer NOT NULL,
    row_key text COLLATE "C" NOT NULL,
    bucket text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    hash uuid NOT NULL,
    PRIMARY KEY (version, source, row_key)
);

-- What each row of a lookup gives.
CREATE TABLE IF NOT EXISTS sync_service.lookup_row (
    version bigint NOT NULL,
    lookup integer NOT NULL,
    row_key text COLLATE "C" NOT NULL,
    input text COLLATE "C" NOT NULL,
    output text COLLATE "C" NOT NULL,
    PRIMARY KEY (version, lookup, row_key)
);
CREATE INDEX IF NOT EXISTS lookup_row_input ON sync_service.lookup_row (version, lookup, input);

-- Every bucket that ever had an operation: the sum of the checksums of all of them, the number of those that the oplog
-- holds, and the number of its rows.
CREATE TABLE IF NOT EXISTS sync_service.bucket (
    name text COLLATE "C" PRIMARY KEY,
    checksum bigint NOT NULL,
    op_count bigint NOT NULL,
    row_count bigint NOT NULL,
    -- Of the operations up to this one, only those are in the oplog that no later one of them supersedes.
    compacted_to bigint NOT NULL DEFAULT 0,
    -- The sum of the checksums of those that are not.
    compacted_checksum bigint NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS sync_service.oplog (
    bucket text COLLATE "C" NOT NULL,
    op_id bigint NOT NULL,
    op text NOT NULL,
    object_type text NOT NULL,
    object_id text NOT NULL,
    checksum bigint NOT NULL,
    data text,
    PRIMARY KEY (bucket, op_id)
);

-- Write checkpoints: drawn by a client, waiting for the sequencer, and published by it with everything committed before.
CREATE TABLE IF NOT EXISTS sync_service.write_checkpoint (
    user_id text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
CREATE TABLE IF NOT EXISTS sync_service.requested_write_checkpoint (
    user_id text NOT NULL,
    client_id text NOT NULL,
    value bigint NOT NULL
);
ALTER TABLE sync_service.requested_write_checkpoint
    SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE TABLE IF NOT EXISTS sync_service.published_write_checkpoint (
    user_id text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
