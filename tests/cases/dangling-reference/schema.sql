CREATE TABLE muscles (
    id text PRIMARY KEY
);
CREATE TABLE motions (
    id        text PRIMARY KEY,
    muscle_id text REFERENCES muscles
);
