-- How the hands and arms hold the load, and how a repetition is done.

-- One way to hold a bar or handle.
CREATE TABLE grips (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    -- The grip it varies. A check sees only its own row: this one refuses the shortest circle.
    parent_id         text CONSTRAINT grips_not_its_own_parent CHECK (parent_id <> id)
        REFERENCES grips ON UPDATE CASCADE ON DELETE RESTRICT,
    label             text NOT NULL,
    common_names      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description text,
    -- The forearm turns during the repetition.
    is_dynamic        boolean NOT NULL DEFAULT false,
    grip_category     text,
    -- From which grip to which one it turns: {"start": "NEUTRAL", "end": "SUPINATED"}.
    rotation_path     jsonb CHECK (jsonb_typeof(rotation_path) = 'object'),
    delta_rules       jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(delta_rules) = 'object' OR delta_rules = '[]'),
    icon              text,
    sort_order        integer NOT NULL DEFAULT 0,
    is_active         boolean NOT NULL DEFAULT true,
    source_type       text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX grips_active ON grips (sort_order, id COLLATE "C") WHERE is_active;
CREATE INDEX grips_parent_id ON grips (parent_id);

-- One distance between the hands.
CREATE TABLE grip_widths (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
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
CREATE INDEX grip_widths_active ON grip_widths (sort_order, id COLLATE "C") WHERE is_active;

-- One angle between the upper arm and the trunk.
CREATE TABLE elbow_relationship (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
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
CREATE INDEX elbow_relationship_active ON elbow_relationship (sort_order, id COLLATE "C") WHERE is_active;

-- One way in which the limbs share the work.
CREATE TABLE execution_styles (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
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
CREATE INDEX execution_styles_active ON execution_styles (sort_order, id COLLATE "C") WHERE is_active;

-- One part of the full movement.
CREATE TABLE range_of_motion (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
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
CREATE INDEX range_of_motion_active ON range_of_motion (sort_order, id COLLATE "C") WHERE is_active;
