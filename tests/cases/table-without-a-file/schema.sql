CREATE TABLE grips (
    id    text PRIMARY KEY,
    label text NOT NULL
);
CREATE TABLE stances (
    id    text PRIMARY KEY,
    label text NOT NULL
);
INSERT INTO grips VALUES ('A', 'a');
ALTER TABLE stances ADD grip_id text REFERENCES grips;
