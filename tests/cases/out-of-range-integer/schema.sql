CREATE TABLE things (
    id     integer PRIMARY KEY,
    small  smallint,
    middle integer,
    big    bigint
);
