CREATE TABLE grips (
    id    text PRIMARY KEY,
    label text NOT NULL
);
CREATE TABLE grip_widths (
    id      text PRIMARY KEY,
    grip_id text REFERENCES grips
);
