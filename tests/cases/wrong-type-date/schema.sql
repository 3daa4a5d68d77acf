CREATE TABLE things (
    id  integer PRIMARY KEY,
    day date
);
