CREATE TABLE steps (
    motion text,
    number integer,
    PRIMARY KEY (motion, number)
);
CREATE TABLE hints (
    id     text PRIMARY KEY,
    motion text,
    step   integer,
    FOREIGN KEY (motion, step) REFERENCES steps (motion, number)
);
