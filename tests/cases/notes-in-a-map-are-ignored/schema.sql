CREATE TABLE equipment_icons (id text PRIMARY KEY, value text NOT NULL);
