CREATE TABLE motions (
    id      text PRIMARY KEY,
    path_id text
);
CREATE TABLE paths (
    id        text PRIMARY KEY,
    motion_id text REFERENCES motions
);
ALTER TABLE motions ADD FOREIGN KEY (path_id) REFERENCES paths;
