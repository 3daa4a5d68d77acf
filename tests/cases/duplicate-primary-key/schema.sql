CREATE TABLE grips (
    id    text PRIMARY KEY,
    label text NOT NULL
);
CREATE TABLE steps (
    grip_id text,
    number  numeric,
    label   text NOT NULL,
    PRIMARY KEY (grip_id, number)
);
