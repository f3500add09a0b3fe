CREATE TABLE note (
    id serial PRIMARY KEY,
    written timestamptz NOT NULL DEFAULT now(),
    body text NOT NULL CHECK (body <> '')
);
