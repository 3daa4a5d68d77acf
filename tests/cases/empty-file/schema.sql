CREATE TABLE grips (
    id    text PRIMARY KEY,
    label text NOT NULL
);
CREATE TABLE grip_widths (
    id    text PRIMARY KEY,
    label text NOT NULL
);
CREATE TABLE stances (
    id    text PRIMARY KEY,
    label text NOT NULL
);
CREATE TABLE motions (
    id    text PRIMARY KEY,
    label text NOT NULL
);
