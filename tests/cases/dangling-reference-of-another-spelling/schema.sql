CREATE TABLE levels (
    id numeric PRIMARY KEY
);
CREATE TABLE motions (
    id       text PRIMARY KEY,
    level_id numeric REFERENCES levels
);
