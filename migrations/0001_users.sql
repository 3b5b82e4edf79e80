-- Who there is, and as whom the app acts for them.

CREATE TABLE users (
    id text PRIMARY KEY DEFAULT gen_random_uuid()::text CHECK (id <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Browser sessions, in the shape that tower-sessions-sqlx-store reads and writes. Deleting a row ends the session.
CREATE TABLE sessions (
    id text PRIMARY KEY,
    data bytea NOT NULL,
    expiry_date timestamptz NOT NULL
);

-- Whatever the server does on behalf of a user, it does as this role, with the user's id in the setting `app.user_id`.
-- The role cannot log in, owns nothing, and may do only what a migration grants it. Which rows it sees and changes is
-- decided by the policies that stand beside each table.
--
-- Roles belong to the whole cluster, not to one database. So another database, or another server starting at this very
-- moment, may have made it already, and that is as good.
DO $$
BEGIN
    CREATE ROLE app_user NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

-- The server's own login switches to the role with SET LOCAL ROLE; from Postgres 16 on, not even the role's maker may
-- do so without this grant.
DO $$
BEGIN
    GRANT app_user TO CURRENT_USER;
EXCEPTION WHEN unique_violation THEN
    NULL;
END
$$;
