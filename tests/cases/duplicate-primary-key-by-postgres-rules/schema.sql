CREATE TABLE codes (
    id char(4) PRIMARY KEY
);
CREATE TABLE ids (
    id uuid PRIMARY KEY
);
CREATE TABLE moments (
    id timestamptz PRIMARY KEY
);
CREATE TABLE levels (
    id double precision PRIMARY KEY
);
