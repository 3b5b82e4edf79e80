-- The app's data. Ids are text, because the browser that makes a row chooses its id, and text is what PowerSync syncs.

CREATE TABLE lists (
    id text PRIMARY KEY,
    owner_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL CONSTRAINT lists_name_length CHECK (name ~ '\S' AND char_length(name) <= 200),
    created_at timestamptz NOT NULL DEFAULT now()
);
-- Read by every policy below, and by the sync config.
CREATE INDEX lists_owner_id ON lists (owner_id);

CREATE TABLE todos (
    id text PRIMARY KEY,
    list_id text NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    title text NOT NULL CONSTRAINT todos_title_length CHECK (title ~ '\S' AND char_length(title) <= 500),
    done boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX todos_list_id ON todos (list_id);

-- A comment on a constraint is what a person reads when the constraint stops their change.
COMMENT ON CONSTRAINT lists_name_length ON lists IS 'A list''s name must have 1 to 200 characters.';
COMMENT ON CONSTRAINT todos_title_length ON todos IS 'A todo''s title must have 1 to 500 characters.';

-- Rights. A grant says what the app may do to a table at all, the policy to which rows: USING holds for the row as it
-- is, WITH CHECK for the row as it is going to be, so nobody can give a row away or take one. The sync config must
-- deliver exactly the rows that USING lets a user read.
GRANT SELECT, INSERT, UPDATE, DELETE ON lists, todos TO app_user;

ALTER TABLE lists ENABLE ROW LEVEL SECURITY;
CREATE POLICY lists_of_their_owner ON lists TO app_user
    USING (owner_id = current_setting('app.user_id', true))
    WITH CHECK (owner_id = current_setting('app.user_id', true));

ALTER TABLE todos ENABLE ROW LEVEL SECURITY;
CREATE POLICY todos_of_the_lists_owner ON todos TO app_user
    USING (list_id IN (SELECT id FROM lists WHERE owner_id = current_setting('app.user_id', true)))
    WITH CHECK (list_id IN (SELECT id FROM lists WHERE owner_id = current_setting('app.user_id', true)));

-- A comment on a policy is what a person reads when the policy stops their change.
COMMENT ON POLICY lists_of_their_owner ON lists IS 'This list belongs to somebody else.';
COMMENT ON POLICY todos_of_the_lists_owner ON todos IS
    'This todo is on a list that has been deleted or belongs to somebody else.';
