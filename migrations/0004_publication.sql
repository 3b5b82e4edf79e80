-- What the sync service reads: exactly the synced tables. It looks for a publication of this name.
CREATE PUBLICATION powersync FOR TABLE lists, todos, rejections;
