-- Guests that cost nothing until they do something, sessions that end with their user, and users who stay deleted.

-- Opening a page writes nothing: a guest is an id in a signed cookie, and gets a row here when they first write something.
ALTER TABLE users
    -- When the user was last here, to the day. A guest who has been away for as long as a cookie lasts cannot come back.
    ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now(),
    -- What the name looks like. No two names may look alike; NULL for guests, and where names from before do.
    ADD COLUMN name_key text CONSTRAINT users_name_key UNIQUE;
CREATE INDEX users_idle_guests ON users (seen_at) WHERE name IS NULL;

-- Users who are gone for good. A cookie that was given out before, or an upload that was queued, must not bring one back.
-- A row goes when no cookie from before can be valid any more.
CREATE TABLE deleted_users (
    id text PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deleted_users_deleted_at ON deleted_users (deleted_at);
ALTER TABLE deleted_users ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION remember_deleted_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deleted_users (id) VALUES (OLD.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_remember_deleted AFTER DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION remember_deleted_user();

-- After the insert, which has waited for a deletion that was under way, so that the deletion is seen here.
CREATE FUNCTION refuse_deleted_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM deleted_users WHERE id = NEW.id) THEN
        RAISE EXCEPTION 'the user has been deleted' USING ERRCODE = 'US404';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_refuse_deleted AFTER INSERT ON users
    FOR EACH ROW EXECUTE FUNCTION refuse_deleted_user();

-- A session is a row that names its user, and goes with them.
ALTER TABLE sessions
    ADD COLUMN user_id text REFERENCES users (id) ON DELETE CASCADE,
    ALTER COLUMN data SET DEFAULT '';
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expiry_date ON sessions (expiry_date);

-- Sessions from before keep their user inside `data`, a MessagePack map: the text 'user_id' and a text of 36 bytes, and the
-- text 'generation' and a small number. They go on, if they are of the user's last generation. While servers are replaced, the
-- old ones still write them so.
CREATE FUNCTION find_session_user() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    user_at int := position('\xa7757365725f6964d924'::bytea IN NEW.data);
    generation_at int := position('\xaa67656e65726174696f6e'::bytea IN NEW.data);
BEGIN
    IF user_at > 0 THEN
        SELECT id INTO NEW.user_id FROM users
        WHERE id = convert_from(substring(NEW.data FROM user_at + 10 FOR 36), 'UTF8')
            AND session_generation = CASE WHEN generation_at > 0 THEN get_byte(NEW.data, generation_at + 10) ELSE 0 END;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER sessions_user BEFORE INSERT OR UPDATE OF data ON sessions
    FOR EACH ROW WHEN (NEW.data <> '') EXECUTE FUNCTION find_session_user();
UPDATE sessions SET data = data;
DELETE FROM sessions WHERE user_id IS NULL;
