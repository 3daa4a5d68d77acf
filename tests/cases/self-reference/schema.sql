CREATE TABLE motions (
    id        text PRIMARY KEY,
    parent_id text REFERENCES motions
);
