-- Lists that several people share.

-- Who is on a list, its owner among them. Rights follow from this table alone.
CREATE TABLE members (
    id text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    list_id text NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role text NOT NULL CONSTRAINT members_role CHECK (role IN ('owner', 'editor', 'reader')),
    -- The member's name, copied from `users`, which is not synced; NULL for a guest.
    name text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT members_once UNIQUE (list_id, user_id)
);
CREATE INDEX members_user_id ON members (user_id);
COMMENT ON CONSTRAINT members_role ON members IS 'A member is an editor or a reader.';

-- A link by which others join a list. Whoever knows the id may join, so it is a secret of the list's owner.
CREATE TABLE invitations (
    id text PRIMARY KEY CONSTRAINT invitations_id_length CHECK (char_length(id) >= 32),
    list_id text NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    role text NOT NULL CONSTRAINT invitations_role CHECK (role IN ('editor', 'reader')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX invitations_list_id ON invitations (list_id);
COMMENT ON CONSTRAINT invitations_id_length ON invitations IS 'An invitation''s id must be too long to guess.';
COMMENT ON CONSTRAINT invitations_role ON invitations IS 'An invitation is for editors or for readers.';

INSERT INTO members (list_id, user_id, role, name, created_at)
SELECT lists.id, users.id, 'owner', users.name, lists.created_at FROM lists JOIN users ON users.id = owner_id;

-- A browser makes a list; that its owner is on it is written here, in the same transaction.
CREATE FUNCTION add_owner() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO members (list_id, user_id, role, name)
    -- Locked, so that a name which the user takes at this moment is not missed.
    SELECT NEW.id, users.id, 'owner', users.name FROM users WHERE users.id = NEW.owner_id FOR SHARE;
    RETURN NULL;
END
$$;
CREATE TRIGGER lists_add_owner AFTER INSERT ON lists FOR EACH ROW EXECUTE FUNCTION add_owner();

-- A policy sees a row as it is or as it is going to be, never both. So that nobody gives a list away or takes one is up
-- to a trigger.
CREATE FUNCTION keep_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'the owner of a list cannot change';
END
$$;
CREATE TRIGGER lists_keep_owner BEFORE UPDATE ON lists
    FOR EACH ROW WHEN (OLD.owner_id IS DISTINCT FROM NEW.owner_id) EXECUTE FUNCTION keep_owner();

-- A guest who makes an account gets a name on the lists, too.
CREATE FUNCTION rename_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE members SET name = NEW.name WHERE user_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_rename_member AFTER UPDATE OF name ON users FOR EACH ROW EXECUTE FUNCTION rename_member();

-- The lists on which the user has one of these roles. It reads `members` as the table's owner, because a policy of
-- `members` that read `members` would be asked about itself. In a policy, `= ANY (ARRAY(SELECT …))` makes Postgres call
-- it once a statement, and find the rows by their index.
CREATE FUNCTION lists_as(VARIADIC roles text[]) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT list_id FROM members WHERE user_id = current_setting('app.user_id', true) AND role = ANY (roles)
$$;

-- Rights. Members read a list, its todos and who else is on it; editors change the list and its todos; the owner also
-- deletes it, invites, changes roles and removes members; and whoever wants to leave does.
DROP POLICY lists_of_their_owner ON lists;
CREATE POLICY lists_read ON lists FOR SELECT TO app_user USING (
    -- A list that is being made has no members yet.
    owner_id = current_setting('app.user_id', true)
    OR id = ANY (ARRAY(SELECT lists_as('owner', 'editor', 'reader')))
);
CREATE POLICY lists_insert ON lists FOR INSERT TO app_user
    WITH CHECK (owner_id = current_setting('app.user_id', true));
CREATE POLICY lists_update ON lists FOR UPDATE TO app_user
    USING (id = ANY (ARRAY(SELECT lists_as('owner', 'editor'))));
CREATE POLICY lists_delete ON lists FOR DELETE TO app_user
    USING (owner_id = current_setting('app.user_id', true));
COMMENT ON POLICY lists_insert ON lists IS 'This list belongs to somebody else.';
COMMENT ON POLICY lists_update ON lists IS 'You may not change this list: ask its owner to make you an editor.';
COMMENT ON POLICY lists_delete ON lists IS 'Only its owner can delete a list. You can leave it.';

DROP POLICY todos_of_the_lists_owner ON todos;
CREATE POLICY todos_read ON todos FOR SELECT TO app_user
    USING (list_id = ANY (ARRAY(SELECT lists_as('owner', 'editor', 'reader'))));
CREATE POLICY todos_write ON todos TO app_user
    USING (list_id = ANY (ARRAY(SELECT lists_as('owner', 'editor'))))
    WITH CHECK (list_id = ANY (ARRAY(SELECT lists_as('owner', 'editor'))));
COMMENT ON POLICY todos_write ON todos IS
    'You may not change todos of this list: it has been deleted, or you are not one of its editors.';

-- Members come by invitation, through the server; of theirs, only the role can be changed. (An upload writes the id, too,
-- but never another.)
GRANT SELECT, DELETE, UPDATE (id, role) ON members TO app_user;
ALTER TABLE members ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON members FOR SELECT TO app_user
    USING (list_id = ANY (ARRAY(SELECT lists_as('owner', 'editor', 'reader'))));
CREATE POLICY members_insert ON members FOR INSERT TO app_user WITH CHECK (false);
CREATE POLICY members_update ON members FOR UPDATE TO app_user
    USING (role <> 'owner' AND list_id = ANY (ARRAY(SELECT lists_as('owner'))));
CREATE POLICY members_delete ON members FOR DELETE TO app_user USING (
    role <> 'owner'
    AND (user_id = current_setting('app.user_id', true) OR list_id = ANY (ARRAY(SELECT lists_as('owner'))))
);
COMMENT ON POLICY members_insert ON members IS 'Members come by invitation.';
COMMENT ON POLICY members_update ON members IS 'Only a list''s owner can change what its members may do.';
COMMENT ON POLICY members_delete ON members IS 'Only a list''s owner can remove other members, and the owner stays.';

GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO app_user;
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
CREATE POLICY invitations_of_the_lists_owner ON invitations TO app_user
    USING (list_id = ANY (ARRAY(SELECT lists_as('owner'))))
    WITH CHECK (list_id = ANY (ARRAY(SELECT lists_as('owner'))));
COMMENT ON POLICY invitations_of_the_lists_owner ON invitations IS 'Only a list''s owner can invite others to it.';

ALTER PUBLICATION powersync ADD TABLE members, invitations;
