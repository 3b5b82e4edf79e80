-- Accounts. A user is a guest until they take a name and a password; what is theirs stays theirs.
ALTER TABLE users
    -- What the user signs in with, and what the people see with whom they share a list.
    ADD COLUMN name text CONSTRAINT users_name_length CHECK (name ~ '^\S(.*\S)?$' AND char_length(name) <= 60),
    -- By argon2id, as a PHC string.
    ADD COLUMN password_hash text,
    -- A session that began in an earlier generation has ended. A new password begins a generation.
    ADD COLUMN session_generation bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT users_guest_or_account CHECK ((name IS NULL) = (password_hash IS NULL));

-- Nobody is to pass for "Ann" by the name "ann".
CREATE UNIQUE INDEX users_name ON users (lower(name));

COMMENT ON CONSTRAINT users_name_length ON users IS 'A name must have 1 to 60 characters.';

-- What only the server reads and writes. It owns these tables, so the policies that are not there do not hold it up;
-- whoever is granted one of them by mistake still sees no row.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE uploads ENABLE ROW LEVEL SECURITY;
