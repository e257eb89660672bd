-- Departures up to this version were deleted: a door that knows less gets everybody anew.
ALTER TABLE site_version ADD COLUMN departures_from bigint NOT NULL DEFAULT 0;
