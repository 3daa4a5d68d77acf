-- What kinds of exercise there are, and what they train.
--
-- Every table from here on has the same columns around its own:
--
--   id                 the row's name for good: apps store it, other rows point at it. Never empty, no
--                      spaces around it, which nobody would see when comparing two of them
--   label              what a user reads
--   common_names       other names to search by, in any language: a JSON array
--   short_description  a sentence or two for the user
--   icon               an emoji, or the name of an app's own picture
--   sort_order         the place in a list; rows that share a place stand in byte order of their id
--   is_active          false keeps the row out of every snapshot. Rows are retired so, never deleted:
--                      what an app has stored must still mean something
--   source_type        who owns the row: 'seed', the JSON files, which may rewrite and retire it; or
--                      'admin', a person, whose rows no seed touches
--
-- A snapshot reads a table's active rows in the order of its index <table>_active. A foreign key
-- follows a key that is renamed (ON UPDATE CASCADE) and keeps what it points at (ON DELETE RESTRICT).
-- PostgreSQL makes no index for the pointing side, so each has its own: both actions search by it.

-- One kind of exercise: strength, cardio, mobility.
CREATE TABLE exercise_categories (
    id                         text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    label                      text NOT NULL,
    technical_name             text,
    common_names               jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description          text,
    -- What a form asks of an exercise of this kind: {"muscle_groups": "required"}.
    exercise_input_permissions jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(exercise_input_permissions) = 'object'),
    icon                       text,
    sort_order                 integer NOT NULL DEFAULT 0,
    is_active                  boolean NOT NULL DEFAULT true,
    source_type                text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX exercise_categories_active ON exercise_categories (sort_order, id COLLATE "C") WHERE is_active;

-- One way to spend an endurance session: steady, in intervals, uphill.
CREATE TABLE cardio_types (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    -- The kind of exercise that offers it.
    category_id       text
        REFERENCES exercise_categories ON UPDATE CASCADE ON DELETE RESTRICT,
    label             text NOT NULL,
    technical_name    text,
    common_names      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description text,
    icon              text,
    sort_order        integer NOT NULL DEFAULT 0,
    is_active         boolean NOT NULL DEFAULT true,
    source_type       text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX cardio_types_active ON cardio_types (sort_order, id COLLATE "C") WHERE is_active;
CREATE INDEX cardio_types_category_id ON cardio_types (category_id);

-- One aim of a training session: power, endurance, range.
CREATE TABLE training_focus (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    -- The kind of exercise that serves it best.
    category_id       text
        REFERENCES exercise_categories ON UPDATE CASCADE ON DELETE RESTRICT,
    label             text NOT NULL,
    technical_name    text,
    common_names      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description text,
    icon              text,
    sort_order        integer NOT NULL DEFAULT 0,
    is_active         boolean NOT NULL DEFAULT true,
    source_type       text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX training_focus_active ON training_focus (sort_order, id COLLATE "C") WHERE is_active;
CREATE INDEX training_focus_category_id ON training_focus (category_id);
