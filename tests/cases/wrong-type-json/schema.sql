CREATE TABLE things (
    id          integer PRIMARY KEY,
    plain       json,
    packed      jsonb,
    packed_list jsonb[]
);
