CREATE TABLE things (
    id   integer PRIMARY KEY,
    data bytea
);
