CREATE TABLE things (
    id integer PRIMARY KEY,
    at timestamp
);
