CREATE TABLE grips (
    id        text PRIMARY KEY,
    label     text NOT NULL,
    icon      text,
    is_active boolean NOT NULL DEFAULT true
);
