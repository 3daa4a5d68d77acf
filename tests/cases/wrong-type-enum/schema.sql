CREATE TYPE mood AS ENUM ('calm', 'keen');
CREATE TABLE things (
    id      integer PRIMARY KEY,
    feeling mood
);
