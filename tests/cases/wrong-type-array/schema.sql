CREATE TABLE things (
    id     integer PRIMARY KEY,
    words  text[],
    codes  varchar(2)[],
    matrix integer[][],
    days   date[]
);
