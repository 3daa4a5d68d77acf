CREATE TABLE muscles (
    id          text PRIMARY KEY,
    source_type text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE TABLE motions (
    id        text PRIMARY KEY,
    muscle_id text REFERENCES muscles
);
INSERT INTO muscles VALUES ('BY_HAND', 'admin'), ('OLD', 'seed');
