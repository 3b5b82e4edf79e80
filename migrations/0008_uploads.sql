-- How far each browser's uploads have got, for good. Before, a repeated delivery was known for seven days only: a browser
-- that came back later, and whose last answer had been lost, had its changes applied a second time.

-- A browser's database numbers its changes, and begins an epoch each time it is opened. Within an epoch numbers only grow,
-- so one number says what has been dealt with. A database restored from a backup counts from an old number again, but in an
-- epoch of its own. Pages from before there were epochs send none, which is the epoch ''.
CREATE TABLE upload_watermarks (
    user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The id of the browser's database.
    client_id text NOT NULL,
    epoch text NOT NULL,
    -- The last change of the last transaction that has been dealt with.
    op_id bigint NOT NULL,
    -- When the epoch's first transaction arrived.
    began_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, client_id, epoch)
);

INSERT INTO upload_watermarks (user_id, client_id, epoch, op_id, began_at)
SELECT user_id, client_id, '', max(op_id), min(received_at) FROM uploads GROUP BY user_id, client_id;

-- What remains in `uploads` are details of the last seven days: what was sent, and the verdict.
ALTER TABLE uploads ADD COLUMN epoch text NOT NULL DEFAULT '';
ALTER TABLE uploads DROP CONSTRAINT uploads_pkey, ADD PRIMARY KEY (user_id, client_id, epoch, op_id);

-- How many rows a user may read, at the most, by their own doing: counted when the limit seems to be reached, and otherwise
-- only added to.
CREATE TABLE row_counts (
    user_id text PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    at_most bigint NOT NULL
);

-- The server alone reads and writes these.
ALTER TABLE upload_watermarks ENABLE ROW LEVEL SECURITY;
ALTER TABLE row_counts ENABLE ROW LEVEL SECURITY;
