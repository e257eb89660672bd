-- Up to which event the site's webhook has told its receiver: the events themselves are the outbox.
CREATE TABLE site_webhook (
    url text PRIMARY KEY,
    told bigint NOT NULL
);
