CREATE TABLE things (
    id    integer PRIMARY KEY,
    price numeric(6,2),
    rough numeric(3,-2),
    free  numeric
);
