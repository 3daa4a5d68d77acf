CREATE TABLE levels (
    id    integer PRIMARY KEY,
    label text NOT NULL
);
