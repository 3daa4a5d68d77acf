CREATE TABLE grips (
    id    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    label text NOT NULL
);
CREATE TABLE stances (
    id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label text NOT NULL
);
