CREATE TABLE things (
    id    integer PRIMARY KEY,
    words text,
    short varchar(3),
    code  char(2)
);
