CREATE TABLE grips (
    id          text PRIMARY KEY,
    label       text NOT NULL,
    upper_label text GENERATED ALWAYS AS (upper(label)) STORED,
    number      integer GENERATED ALWAYS AS IDENTITY,
    source_type text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
