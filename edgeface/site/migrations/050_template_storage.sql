-- A template of 512 numbers is longer than what PostgreSQL keeps in a row by default. Searches read
-- templates and nothing else of them, so they stay in the row; up to four to a page.
ALTER TABLE template SET (toast_tuple_target = 8160);
