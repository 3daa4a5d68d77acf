CREATE TABLE things (
    id   integer PRIMARY KEY,
    low  real,
    high double precision
);
