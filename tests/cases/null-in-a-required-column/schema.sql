CREATE DOMAIN name_of_grip AS text NOT NULL;
CREATE TABLE grips (
    id        text PRIMARY KEY,
    label     text NOT NULL,
    icon      text,
    nick      name_of_grip,
    is_active boolean NOT NULL DEFAULT true
);
