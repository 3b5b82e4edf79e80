-- What the server keeps about the changes that browsers send to POST /api/sync.

-- A change that the server did not take. The row is synced to its user, who reads why and dismisses it.
CREATE TABLE rejections (
    id text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    table_name text NOT NULL,
    row_id text NOT NULL,
    operation text NOT NULL CHECK (operation IN ('PUT', 'PATCH', 'DELETE')),
    code text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rejections_user_id ON rejections (user_id);

-- The server writes these rows as the table's owner. Their user may only read them and, to dismiss one, delete it.
GRANT SELECT, DELETE ON rejections TO app_user;
ALTER TABLE rejections ENABLE ROW LEVEL SECURITY;
CREATE POLICY rejections_of_their_user ON rejections TO app_user
    USING (user_id = current_setting('app.user_id', true));
COMMENT ON POLICY rejections_of_their_user ON rejections IS 'A notice can be dismissed, but not changed.';

-- One row per client transaction that has been dealt with, so that its repeated delivery changes nothing: a browser
-- that did not get the answer sends the transaction again, and by then somebody else may have changed the same rows.
-- The server alone reads and writes this table, and deletes rows of more than seven days.
CREATE TABLE uploads (
    user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The id of the browser's database.
    client_id text NOT NULL,
    -- The transaction's last change, by its number in the browser's upload queue.
    op_id bigint NOT NULL,
    -- SHA-256 of the transaction. A browser profile restored from a backup counts from an old number again; the digest
    -- tells its new transactions from repeated ones.
    digest bytea NOT NULL,
    -- The verdict that made the transaction fail, or NULL where it was applied.
    rejected jsonb,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, client_id, op_id)
);
