CREATE TABLE equipment (
    id text PRIMARY KEY
);
CREATE TABLE equipment_icons (
    id           text PRIMARY KEY,
    equipment_id text NOT NULL REFERENCES equipment,
    value        text NOT NULL
);
