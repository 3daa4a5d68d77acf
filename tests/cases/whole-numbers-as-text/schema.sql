CREATE TABLE things (
    id    integer PRIMARY KEY,
    big   bigint,
    exact numeric
);
