-- Invitations end by themselves, a list costs each of its members one bucket, and nobody is on more lists than can be synced.

ALTER TABLE invitations
    -- The list's owner, who alone reads it: so all invitations of a user are one bucket.
    ADD COLUMN owner_id text REFERENCES users (id) ON DELETE CASCADE,
    -- Written here, because a browser's clock may be wrong: NULL is only what a browser has that could not send it yet.
    ADD COLUMN expires_at timestamptz,
    -- How many people may still join by it; NULL for any number.
    ADD COLUMN uses_left bigint CONSTRAINT invitations_uses_left CHECK (uses_left >= 0);
COMMENT ON CONSTRAINT invitations_uses_left ON invitations IS 'An invitation is for one person or more.';

UPDATE invitations SET
    owner_id = (SELECT lists.owner_id FROM lists WHERE lists.id = list_id),
    expires_at = now() + interval '7 days';
ALTER TABLE invitations ALTER COLUMN owner_id SET NOT NULL;
CREATE INDEX invitations_owner_id ON invitations (owner_id);

-- Whose an invitation is follows from its list, whatever a browser sends; pages from before this migration send nothing.
CREATE FUNCTION complete_invitation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.owner_id := (SELECT owner_id FROM lists WHERE id = NEW.list_id);
    NEW.expires_at := least(coalesce(NEW.expires_at, now() + interval '7 days'), now() + interval '30 days');
    RETURN NEW;
END
$$;
CREATE TRIGGER invitations_complete BEFORE INSERT OR UPDATE OF list_id, owner_id, expires_at ON invitations
    FOR EACH ROW EXECUTE FUNCTION complete_invitation();

-- What a user reads is what the sync config sends them. To write one they must own the list.
ALTER POLICY invitations_of_the_lists_owner ON invitations
    USING (owner_id = current_setting('app.user_id', true))
    WITH CHECK (
        owner_id = current_setting('app.user_id', true)
        AND list_id = ANY (ARRAY(SELECT lists_as('owner')))
    );

-- A list is a bucket of each of its members, and a sync service ends a stream that has more than 1,000. The hundred between
-- are for other streams, and for what is inserted at the same moment and not counted yet. See docs/production.md.
CREATE FUNCTION limit_lists() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM members WHERE user_id = NEW.user_id OFFSET 900) THEN
        RAISE 'You are on 900 lists, and more cannot be synced. Delete or leave one, then try again.';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER members_limit_lists AFTER INSERT ON members FOR EACH ROW EXECUTE FUNCTION limit_lists();
