CREATE TABLE grips (
    id    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    label text NOT NULL
);
CREATE TABLE stances (
    id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label text NOT NULL
);
CREATE TABLE poses (
    id    text GENERATED ALWAYS AS (lower(label)) STORED PRIMARY KEY,
    label text NOT NULL
);
