-- The body, and how it moves.

-- One muscle, one part of a muscle, or one group or region of muscles.
CREATE TABLE muscles (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    -- The kind of exercise that trains it first.
    category_id       text
        REFERENCES exercise_categories ON UPDATE CASCADE ON DELETE RESTRICT,
    -- The ids of the groups it belongs to, the main one first: multifidus is of the back and of the
    -- core. A list cannot be a foreign key, so nothing here refuses an unknown id.
    parent_ids        jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(parent_ids) = 'array'),
    label             text NOT NULL,
    technical_name    text,
    common_names      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description text,
    function          text,
    location          text,
    -- The work that makes it contract.
    triggers          text,
    -- ["UPPER"], ["LOWER"] or both; null where nobody has said.
    upper_lower       jsonb CHECK (jsonb_typeof(upper_lower) = 'array'),
    icon              text,
    sort_order        integer NOT NULL DEFAULT 0,
    is_active         boolean NOT NULL DEFAULT true,
    source_type       text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX muscles_active ON muscles (sort_order, id COLLATE "C") WHERE is_active;
CREATE INDEX muscles_category_id ON muscles (category_id);

-- One movement of the body, such as a squat, or a narrower form of one.
CREATE TABLE motions (
    id                    text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    -- The wider motion. A check sees only its own row: this one refuses the shortest circle.
    parent_id             text CONSTRAINT motions_not_its_own_parent CHECK (parent_id <> id)
        REFERENCES motions ON UPDATE CASCADE ON DELETE RESTRICT,
    label                 text NOT NULL,
    common_names          jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description     text,
    -- ["UPPER"], ["LOWER"] or both; older files write a single one as a string.
    upper_lower           jsonb CHECK (jsonb_typeof(upper_lower) IN ('array', 'string')),
    -- How much each muscle works, nested as muscles are: {"CHEST": {"_score": 0.9, ...}}.
    muscle_targets        jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(muscle_targets) = 'object'),
    -- The rows of other tables that the motion starts from: {"gripWidths": "SHOULDER_WIDTH"}.
    default_delta_configs jsonb CHECK (jsonb_typeof(default_delta_configs) = 'object'),
    icon                  text,
    sort_order            integer NOT NULL DEFAULT 0,
    is_active             boolean NOT NULL DEFAULT true,
    source_type           text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX motions_active ON motions (sort_order, id COLLATE "C") WHERE is_active;
CREATE INDEX motions_parent_id ON motions (parent_id);

-- One line along which the hands, the feet or the load travel.
--
-- delta_rules, here and in later tables, says what choosing the row adds to the muscle_targets of a
-- motion: {"ROW": {"RHOMBOIDS": 0.15}}. Editors write "no rules" as {} or as [].
CREATE TABLE motion_paths (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    -- The one motion it is for; null where several share it.
    motion_id         text
        REFERENCES motions ON UPDATE CASCADE ON DELETE RESTRICT,
    label             text NOT NULL,
    common_names      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description text,
    delta_rules       jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(delta_rules) = 'object' OR delta_rules = '[]'),
    icon              text,
    sort_order        integer NOT NULL DEFAULT 0,
    is_active         boolean NOT NULL DEFAULT true,
    source_type       text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX motion_paths_active ON motion_paths (sort_order, id COLLATE "C") WHERE is_active;
CREATE INDEX motion_paths_motion_id ON motion_paths (motion_id);
