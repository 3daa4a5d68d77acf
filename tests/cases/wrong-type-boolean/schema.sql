CREATE TABLE things (
    id    integer PRIMARY KEY,
    is_on boolean
);
