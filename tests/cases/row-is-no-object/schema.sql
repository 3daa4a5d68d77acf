CREATE TABLE grips (
    id    text PRIMARY KEY,
    label text NOT NULL
);
