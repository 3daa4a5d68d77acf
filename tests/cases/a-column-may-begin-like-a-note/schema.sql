CREATE TABLE grips (
    id     text PRIMARY KEY,
    _grade integer NOT NULL
);
