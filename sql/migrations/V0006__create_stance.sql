-- How the body stands, sits or lies.

-- One angle of the trunk or the bench against the floor.
CREATE TABLE torso_angles (
    id                       text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    label                    text NOT NULL,
    common_names             jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description        text,
    -- Degrees that a user may set: {"min": 15, "max": 60, "step": 5, "default": 30}. Not compared: real
    -- files count a decline from -5 to -60, from little to much.
    angle_range              jsonb CHECK (jsonb_typeof(angle_range) = 'object'),
    -- A torso orientation may be chosen besides.
    allow_torso_orientations boolean NOT NULL DEFAULT false,
    delta_rules              jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(delta_rules) = 'object' OR delta_rules = '[]'),
    icon                     text,
    sort_order               integer NOT NULL DEFAULT 0,
    is_active                boolean NOT NULL DEFAULT true,
    source_type              text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX torso_angles_active ON torso_angles (sort_order, id COLLATE "C") WHERE is_active;

-- One side of the body that faces the floor or the pad.
CREATE TABLE torso_orientations (
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
CREATE INDEX torso_orientations_active ON torso_orientations (sort_order, id COLLATE "C") WHERE is_active;

-- One direction or height of the feet.
CREATE TABLE foot_positions (
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
CREATE INDEX foot_positions_active ON foot_positions (sort_order, id COLLATE "C") WHERE is_active;

-- One distance between the feet.
CREATE TABLE stance_widths (
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
CREATE INDEX stance_widths_active ON stance_widths (sort_order, id COLLATE "C") WHERE is_active;

-- One arrangement of the legs.
CREATE TABLE stance_types (
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
CREATE INDEX stance_types_active ON stance_types (sort_order, id COLLATE "C") WHERE is_active;

-- One thing that the body leans on, lies on or hangs from.
CREATE TABLE support_structures (
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
CREATE INDEX support_structures_active ON support_structures (sort_order, id COLLATE "C") WHERE is_active;
