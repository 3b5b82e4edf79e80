-- What was rejected, so that its user can try again: the changes of the client transaction as JSON, as the browser sent
-- them. NULL where that is too much to send to all of the user's devices.
ALTER TABLE rejections ADD COLUMN changes text;
